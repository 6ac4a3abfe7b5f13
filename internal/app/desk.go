package app

import (
	"tianweitong/internal/flow/lookup"
	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/store/people"
	"tianweitong/internal/worktime"
)

// desk is what officers work with at the console (docs/console.md).
func (a *App) desk() console.Desk {
	h := a.house
	return console.Desk{
		Reviews: h.enterprises,
		Lookups: lookup.New(lookup.Deps{
			Runner: a.store, Store: people.Lookups(a.store), Clock: a.Clock, Sessions: h.accounts, Certificates: h.certificates,
			Notices: h.notices, Calendar: worktime.China(),
		}),
		SMS: h.accounts, Callbacks: h.callbacks,
	}
}

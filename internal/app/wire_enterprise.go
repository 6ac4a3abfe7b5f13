package app

import (
	"tianweitong/fonts"
	"tianweitong/internal/flow/rename"
	"tianweitong/internal/letter"
	"tianweitong/internal/provider/idcheck"
	"tianweitong/internal/store/people"
	"tianweitong/internal/verification"
)

// wireEnterprises builds the room of enterprises, after members.
func (a *App) wireEnterprises() {
	h, st := a.house, a.store
	changes := &rename.Service{Followers: []rename.Renamed{rename.Members{Members: h.members}}}
	h.realname.Changed = changes
	checker := h.realname.Checker.(*idcheck.Client)
	h.enterprises = verification.New(verification.Deps{
		Runner: st, Store: people.Enterprises(st), Members: h.members, Clock: a.Clock, Rand: a.Rand, Box: st.Box, Log: a.Log,
		Codes: h.accounts, Officers: h.accounts, Registry: checker, Checker: checker, Notices: h.notices, Changed: changes,
		Letter: func(f verification.LetterFacts) ([]byte, error) {
			return letter.Authorisation(letter.Facts(f), fonts.Regular())
		},
	})
}

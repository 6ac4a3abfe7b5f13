package app

import (
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/handover"
	"tianweitong/internal/flow/offboard"
	"tianweitong/internal/store/people"
	"tianweitong/internal/verification"
)

// peopleRooms know who belongs to which enterprise.
type peopleRooms struct {
	members   *enterprise.Members
	handovers *handover.Service
	// enterprises verify, members belong.
	enterprises *verification.Service
}

// wireMembers builds the rooms of members, after certificates and custody.
func (a *App) wireMembers() {
	h, st := a.house, a.store
	h.members = enterprise.NewMembers(enterprise.MemberDeps{
		Runner: st, Store: people.Members(st), Clock: a.Clock, Rand: a.Rand, Box: st.Box, Accounts: h.accounts, Persons: h.realname, Notices: h.notices,
		Departures: &offboard.Service{Certificates: h.certificates}, Applications: people.Enterprises(st), AppURL: a.urls.App,
	})
	h.handovers = handover.New(handover.Deps{
		Store: people.Handovers(st), Runner: st, Clock: a.Clock, Rand: a.Rand, Custody: h.custody, Members: h.members,
	})
}

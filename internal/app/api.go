package app

import (
	"context"
	"maps"
	"slices"
	"strings"

	"tianweitong/internal/config"
	"tianweitong/internal/flow/standing"
	"tianweitong/internal/flow/todo"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/httpapi/app/enterprises"
)

// appDeps hands the rooms to the app API.
func (a *App) appDeps() app.Deps {
	h := a.house
	env := app.Environment{Sandbox: a.cfg.Mode == config.Sandbox, Platform: a.urls.Platform, PKI: a.urls.PKI, Arc: h.arc.String()}
	env.FaceUpload = env.Sandbox
	env.Support = app.Support{Hotline: a.cfg.SupportHotline, Hours: a.cfg.SupportHours, Website: a.cfg.SupportWebsite}
	if env.Sandbox {
		env.SandboxURL = a.urls.Sandbox
	}
	for _, g := range agreements() {
		env.Agreements = append(env.Agreements, app.Agreement{Document: g.Document, Version: g.Version, Title: g.Title})
	}
	env.Gateways = slices.Sorted(maps.Keys(h.gateways))
	return app.Deps{
		Base: app.Base{
			Clock: a.Clock, Rand: a.Rand, Log: a.Log, Secure: strings.HasPrefix(a.urls.App, "https://"), TrustProxy: a.cfg.TrustProxy,
			Version: a.Version, Environment: env, Exchanges: h.custody, Module: a.module, Observe: a.metrics.request("app"),
			Hub: a.wakes,
		},
		Runner: a.store, Accounts: h.accounts, Puzzles: h.puzzles, Rephone: h.rephone, Safety: h.safety, Closing: h.closing, Realnames: h.realname, Catalog: h.catalog, Notices: h.notices,
		Orders: h.orders, Purchases: h.purchase, Certificates: h.certificates, Roamings: h.roamings,
		PINs: h.pin, Recoveries: h.recover, Custody: h.custody, PIN: h.pin, Installs: h.install, Recovers: h.recover,
		Revokes: h.revoke, Checks: h.check, Scans: h.scans, Usages: h.usage, Members: h.members, Transfers: h.handovers,
		Rooms:     []app.Room{&enterprises.Service{Enterprises: h.enterprises, Members: h.members, Handovers: h.handovers}},
		Standings: standing.New(standing.Deps{Clock: a.Clock, Certificates: h.certificates, Roamings: h.roamings, Orders: h.orders}),
		Todos: todo.New(todo.Deps{
			Runner: a.store, Clock: a.Clock, Persons: h.realname, Orders: h.orders, Certificates: h.certificates, Institutions: h.catalog,
			PINs: h.pin, Recoveries: h.recover, Members: h.members, Enterprises: h.enterprises,
		}),
	}
}

func (a *App) module(ctx context.Context) (m app.Module, err error) {
	if m.Statement, m.Signature, err = a.house.custody.ModuleStatement(ctx); err != nil {
		return m, err
	}
	chain, err := a.house.ca.Service(ctx, "statement")
	if err != nil {
		return m, err
	}
	m.Certificate, m.Chain = chain[0], chain[1:]
	return m, nil
}

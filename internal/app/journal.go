package app

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/catalog"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/money"
	"tianweitong/internal/provider/sandbox"
	"tianweitong/internal/work"
)

// What the sandbox panel's log hears of the house; outside the sandbox nobody
// listens and each of these is nil.

// journalEntry passes the audit entries on: what the house holds to be worth a
// record is what a developer wants to see happen.
func (a *App) journalEntry() func(audit.Entry) {
	j := a.house.journal
	if j == nil {
		return nil
	}
	return func(e audit.Entry) {
		j.Note(sandbox.Event{At: e.At, Kind: e.Kind, Subject: e.Subject, Actor: e.Actor})
	}
}

// journalPayment passes on what happens at the counter.
func (a *App) journalPayment() func(what, payment string, amount money.Fen) {
	j := a.house.journal
	if j == nil {
		return nil
	}
	return func(what, payment string, amount money.Fen) {
		j.Note(sandbox.Event{Kind: "counter." + what, Subject: payment, Data: map[string]string{"amount": amount.String()}})
	}
}

// journalCallback passes on how platforms took their callbacks (回调).
func (a *App) journalCallback() func(took time.Duration, err error) {
	j := a.house.journal
	if j == nil {
		return nil
	}
	return func(_ time.Duration, err error) {
		kind := "callback.delivered"
		if err != nil {
			kind = "callback.refused"
		}
		j.Note(sandbox.Event{Kind: kind})
	}
}

// panelPlatform is a platform as the panel shows it.
type panelPlatform struct {
	Code         string `json:"code"`
	Name         string `json:"name"`
	Region       string `json:"region"`
	Host         string `json:"host"`
	CallbackBase string `json:"callbackBase,omitempty"`
	AskCode      bool   `json:"askCode"`
}

// listPlatforms shows a page of the directory; query and cursor are the catalog's.
func (a *App) listPlatforms(w http.ResponseWriter, r *http.Request) {
	var page catalog.Page
	q := r.URL.Query()
	err := a.store.View(r.Context(), func(ctx context.Context, tx work.Tx) (err error) {
		page, err = a.house.catalog.Platforms(ctx, tx, catalog.Filter{Query: q.Get("query"), Cursor: q.Get("cursor")})
		return err
	})
	if err != nil {
		httpapi.WriteProblem(w, r, a.Log, err)
		return
	}
	out := struct {
		Platforms []panelPlatform `json:"platforms"`
		Next      string          `json:"next,omitempty"`
	}{Platforms: []panelPlatform{}, Next: page.Next}
	for _, p := range page.Platforms {
		out.Platforms = append(out.Platforms, panelPlatform{
			Code: p.Code, Name: p.Name, Region: p.Region, Host: p.Host, CallbackBase: p.CallbackBase, AskCode: p.AskCode,
		})
	}
	panelJSON(w, out)
}

// showHouse tells the panel where the house's doors are.
func (a *App) showHouse(w http.ResponseWriter, _ *http.Request) {
	panelJSON(w, map[string]string{"version": a.Version, "app": a.urls.App, "platform": a.urls.Platform, "pki": a.urls.PKI})
}

func panelJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(v)
}

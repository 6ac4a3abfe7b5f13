package console

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"tianweitong/internal/httpapi"
	"tianweitong/internal/office"
)

// CallbackRow is a callback (回调) that a platform did not acknowledge.
type CallbackRow struct {
	ID          string    `json:"id"`
	Platform    string    `json:"platform" doc:"平台代码"`
	Transaction string    `json:"transaction"`
	Attempts    int       `json:"attempts"`
	Problem     string    `json:"problem" doc:"最近一次失败的类别"`
	FirstAt     time.Time `json:"firstAt"`
	LastAt      time.Time `json:"lastAt"`
}

// CallbackList is the newest ones.
type CallbackList struct {
	Callbacks []CallbackRow `json:"callbacks"`
	More      bool          `json:"more" doc:"还有更多未列出"`
}

type callbacksInput struct {
	Platform string `query:"platform" maxLength:"40" doc:"平台代码；空为全部"`
}

// maxCallbacks is the most that are listed.
const maxCallbacks = 200

func (s *Server) callbackRoutes() {
	route(s, http.MethodGet, "/callbacks", operator, "未送达的回调，新的在前", s.callbacks)
	route(s, http.MethodPost, "/callbacks/{id}/replay", operator, "重新发送", s.replay)
}

func (s *Server) callbacks(ctx context.Context, _ office.Caller, in *callbacksInput) (*Body[CallbackList], error) {
	all, err := s.Callbacks.Undelivered(ctx, in.Platform, maxCallbacks+1)
	out := CallbackList{Callbacks: []CallbackRow{}, More: len(all) > maxCallbacks}
	for _, u := range all[:min(len(all), maxCallbacks)] {
		out.Callbacks = append(out.Callbacks, CallbackRow{ID: u.Platform + "-" + u.Transaction, Platform: u.Platform, Transaction: u.Transaction,
			Attempts: u.Attempts, Problem: u.Problem, FirstAt: u.FirstAt, LastAt: u.LastAt})
	}
	return &Body[CallbackList]{out}, err
}

// callbackID is a platform's code and a transaction's id.
var callbackID = regexp.MustCompile(`^[A-Za-z0-9_]+-[0-9a-f]{32}$`)

// replay is in the audit chain before it is done: an entry without an effect does
// no harm, the reverse would.
func (s *Server) replay(ctx context.Context, c office.Caller, in *byID) (*Empty, error) {
	if !callbackID.MatchString(in.ID) { // nothing else may reach the chain
		return nil, httpapi.CodeNotFound
	}
	platform, transaction, _ := strings.Cut(in.ID, "-")
	if err := s.Lookups.Note(ctx, clerk(c), "console.callback_replayed", transaction, map[string]any{"platform": platform}); err != nil {
		return nil, err
	}
	return &Empty{}, s.Callbacks.Replay(ctx, platform, transaction)
}

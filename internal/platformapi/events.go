package platformapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/httpapi"
	"tianweitong/internal/push"
	"tianweitong/internal/scan"
)

const (
	// heartbeat keeps proxies from closing a quiet stream, and is also how often
	// the state is read without a wake-up.
	heartbeat = 15 * time.Second
	// grain is added to a wait for the end of the time, so that it has come.
	grain = 10 * time.Millisecond
)

// eventRoute adds GET /transactions/{tId}/events: server-sent events named
// "state", each a transaction without its result. The stream begins with the
// present state and ends with the transaction.
func (s *Server) eventRoute() {
	op := s.operation(http.MethodGet, "/transactions/{tId}/events", http.StatusOK, "订阅扫码业务的状态（SSE）")
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[transaction](), true, "Transaction")
	op.Responses = map[string]*huma.Response{"200": {
		Description: "每个事件名为 state，data 为不含 result 的业务",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: schema}},
	}}
	huma.Register(s.api, op, func(ctx context.Context, in *transactionInput) (*huma.StreamResponse, error) {
		c := callerOf(ctx)
		release, err := s.seat(c.Platform.Code, in.TID)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		// Listen first, then look: nothing is missed between the two.
		sub, err := s.Hub.Subscribe(scan.Topic(in.TID))
		if err != nil {
			release()
			return nil, httpapi.ProblemOf(ctx, s.Log, CodeNoStreams.Because(err))
		}
		first, err := s.Scans.Status(ctx, c.Platform.Code, in.TID, false)
		if err != nil {
			sub.Close()
			release()
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer release()
			defer sub.Close()
			out := httpapi.OpenEvents(hc)
			defer out.Close()
			s.stream(hc.Context(), out, c.Platform.Code, first, sub)
		}}, nil
	})
}

// seat takes a place for a stream, of the platform's and of those that it has for
// the transaction; the hub's own limit holds for the house.
func (s *Server) seat(platform, transaction string) (release func(), err error) {
	one := s.streams.Take(platform, s.Streams)
	if one == nil {
		return nil, CodeNoStreams.Becausef("the platform has %d", s.Streams)
	}
	other := s.streams.Take(platform+" "+transaction, streamsPerTransaction)
	if other == nil {
		one()
		return nil, CodeNoStreams.Becausef("the transaction has %d", streamsPerTransaction)
	}
	return func() { other(); one() }, nil
}

func (s *Server) stream(ctx context.Context, out *httpapi.Events, platform string, st scan.Status, sub *push.Subscription) {
	var last string
	for {
		t := shown(st)
		t.Result = nil
		b, err := json.Marshal(t)
		if err != nil {
			s.Log.ErrorContext(ctx, "writing an event", "error", err)
			return
		}
		line := ":\n\n" // a comment, for the heartbeat
		if string(b) != last {
			last = string(b)
			line = "event: state\ndata: " + last + "\n\n"
		}
		if out.Send(line) != nil || !st.State.Open() || !s.await(ctx, st, sub) {
			return
		}
		if st, err = s.Scans.Status(ctx, platform, st.ID, false); err != nil {
			return
		}
	}
}

// await waits for a wake-up, the end of the time or the next heartbeat; false
// when the stream is to end.
func (s *Server) await(ctx context.Context, st scan.Status, sub *push.Subscription) bool {
	// The end may have come since the state was read.
	left := max(st.DueAt.Sub(s.Clock.Now()), 0) + grain
	timer := time.NewTimer(min(heartbeat, left))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-s.stop:
		return false
	case <-sub.C:
	case <-timer.C:
	}
	return true
}

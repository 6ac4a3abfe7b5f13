package app

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/account"
	"tianweitong/internal/fault"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/push"
	"tianweitong/internal/work"
)

const (
	// heartbeat keeps proxies from closing a quiet stream; a session that ended is
	// noticed then at the latest.
	heartbeat = 20 * time.Second
	// streamLife bounds a stream, so that the app signs a request now and then.
	streamLife = 30 * time.Minute
	// streamsPerSession is one for each tab that is likely to be open.
	streamsPerSession = 5
	// streamsPerAccount is less than all its sessions could hold: who signs in on
	// many devices must not take the places of everybody else.
	streamsPerAccount = 20
)

// CodeEvents: the session, the account, or the house, has as many streams as it may hold.
var CodeEvents = fault.Code{Name: "app_events_full", Kind: fault.TooMany, Text: "打开的页面过多，请关闭其他页面后刷新。"}

// eventRoute adds GET /events: server-sent events named "changed", each naming a
// kind of the account's things that changed. They are wake-ups and say no more;
// the app reads again, and reads everything once when the stream has begun.
// Restricted sessions hear them too: they wait for the re-key to end.
func (s *Server) eventRoute() {
	op := s.operation(http.MethodGet, "/events", Restricted, "变化提醒（SSE）：有变化的种类，收到后重新读取")
	names := make([]any, 0, len(work.Whats()))
	for _, what := range work.Whats() {
		names = append(names, string(what))
	}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "事件名为 changed，data 为 {\"what\": 种类}；注释行为心跳",
		Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
			Type: huma.TypeObject, Required: []string{"what"},
			Properties: map[string]*huma.Schema{"what": {Type: huma.TypeString, Enum: names}},
		}}},
	}}
	huma.Register(s.api, op, func(ctx context.Context, _ *Empty) (*huma.StreamResponse, error) {
		c := callerOf(ctx)
		release := s.streamPlace(c)
		if release == nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, CodeEvents.Becausef("the session has %d, or its account %d", streamsPerSession, streamsPerAccount))
		}
		var topics []string
		for _, what := range work.Whats() {
			topics = append(topics, push.AccountTopic(c.Account, string(what)))
		}
		sub, err := s.Hub.Subscribe(topics...)
		if err != nil {
			release()
			return nil, httpapi.ProblemOf(ctx, s.Log, CodeEvents.Because(err))
		}
		token := httpapi.RequestOf(ctx).Cookie(Cookie)
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer release()
			defer sub.Close()
			out := httpapi.OpenEvents(hc)
			defer out.Close()
			s.stream(hc.Context(), out, c, token, sub)
		}}, nil
	})
}

// streamPlace takes a place of the session and one of its account, or gives nil.
func (s *Server) streamPlace(c account.Caller) (release func()) {
	session := s.streams.Take("session:"+c.Session, streamsPerSession)
	if session == nil {
		return nil
	}
	whole := s.streams.Take("account:"+c.Account, streamsPerAccount)
	if whole == nil {
		session()
		return nil
	}
	return func() {
		session()
		whole()
	}
}

// stream sends wake-ups until the reader leaves, the session ends, the server
// stops or the stream's life is over.
func (s *Server) stream(ctx context.Context, out *httpapi.Events, c account.Caller, token string, sub *push.Subscription) {
	beat := time.NewTicker(s.heartbeat())
	defer beat.Stop()
	life := time.NewTimer(streamLife)
	defer life.Stop()
	text := ":\n\n" // the head goes out at once
	for out.Send(text) == nil {
		var topics []string
		select {
		case <-ctx.Done():
			return
		case <-s.stop:
			return
		case <-life.C:
			return
		case <-beat.C:
			text = ":\n\n"
		case <-sub.C:
			topics, text = sub.Woken(), ""
			for _, topic := range topics {
				text += event(topic)
			}
		}
		session, member := push.AccountTopic(c.Account, string(work.Session)), push.AccountTopic(c.Account, string(work.Enterprise))
		if topics != nil && !slices.Contains(topics, session) && !slices.Contains(topics, member) {
			continue
		}
		if _, _, err := s.Accounts.Authenticate(ctx, token); err != nil {
			out.Send(event(session))
			return
		}
		// The reader connects again, is refused, and learns that he is a member no more.
		if _, err := s.as(ctx, c, c.Enterprise); err != nil {
			out.Send(text)
			return
		}
	}
}

func event(topic string) string {
	return "event: changed\ndata: {\"what\":\"" + topic[strings.LastIndexByte(topic, ':')+1:] + "\"}\n\n"
}

func (s *Server) heartbeat() time.Duration {
	if s.Heartbeat > 0 {
		return s.Heartbeat
	}
	return heartbeat
}

// Close ends the event streams, so that a server can shut down.
func (s *Server) Close() { s.closing.Do(func() { close(s.stop) }) }

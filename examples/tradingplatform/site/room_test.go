package site

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tianweitong/platform"
)

type stopped struct{ at time.Time }

func (s *stopped) Now() time.Time { return s.at }

// visitor starts a session and returns a request that carries its cookie.
func visitor(t *testing.T, s *sessions, who *platform.Identity) *http.Request {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := s.start(w, httptest.NewRequest("POST", "/login", nil), who, nil); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	return r
}

// TestAFloodOfVisitorsPutsOutNobodyLoggedIn: whoever only asks for codes takes
// the place of the oldest of his kind.
func TestAFloodOfVisitorsPutsOutNobodyLoggedIn(t *testing.T) {
	clock := &stopped{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := &sessions{clock: clock, rand: rand.Reader}
	member := visitor(t, s, &platform.Identity{Holder: "h"})
	first := visitor(t, s, nil)
	clock.at = clock.at.Add(time.Second)
	for range maxSessions - 2 {
		visitor(t, s, nil)
	}
	clock.at = clock.at.Add(time.Second)
	late := visitor(t, s, nil)
	if len(s.all) != maxSessions || s.of(first) != nil || s.of(late) == nil || s.of(member) == nil {
		t.Fatalf("%d sessions; first %v, late %v, member %v", len(s.all), s.of(first), s.of(late), s.of(member))
	}
	clock.at = clock.at.Add(visitLife)
	if s.of(late) != nil || s.of(member) == nil {
		t.Error("a visit lasts as long as a login")
	}
	visitor(t, s, nil) // takes the last place
	visitor(t, s, nil)
	if len(s.all) != 3 {
		t.Errorf("%d sessions are kept, want the member's and two", len(s.all))
	}
}

// TestAFullHouseIsSaid: where all are logged in, nobody is put out.
func TestAFullHouseIsSaid(t *testing.T) {
	s := &sessions{clock: platform.SystemClock{}, rand: rand.Reader}
	for range maxSessions {
		visitor(t, s, &platform.Identity{Holder: "h"})
	}
	if _, err := s.start(httptest.NewRecorder(), httptest.NewRequest("POST", "/login", nil), nil, nil); err == nil {
		t.Error("one more was taken")
	}
}

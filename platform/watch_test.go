package platform_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tianweitong/platform"
	"tianweitong/platform/platformtest"
)

// follow watches a transaction; after each state it lets the phone do the next
// step.
func follow(t *testing.T, c *platform.Client, tx platform.Transaction, steps map[platform.State]func()) (seen []string, last platform.Status) {
	t.Helper()
	for st, err := range c.Watch(ctx, tx) {
		if err != nil {
			t.Fatal(err)
		}
		seen, last = append(seen, string(st.State)+st.Code), st
		if step := steps[st.State]; step != nil {
			step()
		}
	}
	return seen, last
}

func TestWatchFollowsToTheVerifiedResult(t *testing.T) {
	for _, events := range []bool{true, false} {
		t.Run(fmt.Sprintf("events=%v", events), func(t *testing.T) {
			s := platformtest.New(t)
			s.NoEvents = !events
			c := s.Client()
			tx := login(t, c)
			seen, last := follow(t, c, tx, map[platform.State]func(){
				platform.Created: func() { s.Scan(tx.ID, "4821") },
				platform.Scanned: func() { s.Confirm(tx.ID) },
				platform.Ready:   func() { s.Execute(tx.ID) },
			})
			if want := []string{"CREATED", "SCANNED4821", "READY", "EXECUTED"}; !slices.Equal(seen, want) {
				t.Errorf("saw %v", seen)
			}
			if last.Result == nil || last.Result.Identity.Holder != "P-0001" {
				t.Errorf("ended with %+v", last)
			}
			gets := 0
			for _, call := range s.Calls() {
				if strings.HasSuffix(call, tx.ID) {
					gets++
				}
			}
			if events && gets != 2 {
				t.Errorf("asked %d times beside the events, want once before and once for the result", gets)
			}
		})
	}
}

func TestWatchEndsWithTheReason(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	_, last := follow(t, c, tx, map[platform.State]func(){
		platform.Created: func() { s.Scan(tx.ID, "4821") },
		platform.Scanned: func() { s.End(tx.ID, platform.Failed, platform.WrongCode) },
	})
	if last.Outcome != platform.WrongCode || last.Result != nil {
		t.Errorf("ended with %+v", last)
	}
}

func TestWatchRefusesABrokenResult(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	s.Execute(tx.ID, func(e *platformtest.Execution) { e.Login.Host = "other.example" })
	for st, err := range c.Watch(ctx, tx) {
		if !errors.Is(err, platform.ErrMessage) || st.Result != nil {
			t.Errorf("got %+v, %v", st, err)
		}
	}
}

func TestWatchOutlivesAShortOutage(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	s.Execute(tx.ID)
	s.Fail(4)
	if seen, last := follow(t, c, tx, nil); last.Result == nil || len(seen) != 1 {
		t.Errorf("saw %v", seen)
	}
	s.Fail(5)
	var p *platform.Problem
	for _, err := range c.Watch(ctx, tx) {
		if !errors.As(err, &p) || !p.Temporary() {
			t.Errorf("after five failures: %v", err)
		}
	}
}

func TestWatchPollsWhenTheStreamBreaks(t *testing.T) {
	s := platformtest.New(t)
	cfg := s.Config()
	cfg.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && strings.HasSuffix(r.URL.Path, "/events") {
			res.Body.Close() // the network goes away in the middle
		}
		return res, err
	})}
	c := client(t, cfg)
	tx := login(t, c)
	seen, last := follow(t, c, tx, map[platform.State]func(){platform.Created: func() { s.Execute(tx.ID) }})
	if last.Result == nil {
		t.Errorf("saw %v", seen)
	}
}

func TestWatchStopsWithItsContext(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	for st, err := range c.Watch(short, tx) {
		if n++; n == 1 {
			if err != nil || st.State != platform.Created {
				t.Fatalf("got %+v, %v", st, err)
			}
			cancel()
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %+v, %v", st, err)
		}
	}
	if n != 2 {
		t.Errorf("%d steps", n)
	}
	for range c.Watch(ctx, tx) {
		break // a caller who has seen enough is not called again
	}
}

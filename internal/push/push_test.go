package push

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func subscribe(t *testing.T, h *Hub, topic string) *Subscription {
	t.Helper()
	s, err := h.Subscribe(topic)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func woken(s *Subscription) bool {
	select {
	case <-s.C:
		return true
	default:
		return false
	}
}

func TestPublishWakesItsTopicAlone(t *testing.T) {
	h := NewHub(0)
	a, b, other := subscribe(t, h, "x"), subscribe(t, h, "x"), subscribe(t, h, "y")
	h.Publish("x")
	if !woken(a) || !woken(b) || woken(other) {
		t.Fatal("the wake-up reached the wrong listeners")
	}
}

func TestWakeUpsWhileOneWaitsAreOne(t *testing.T) {
	h := NewHub(0)
	s := subscribe(t, h, "x")
	for range 1000 {
		h.Publish("x") // would block for ever if it waited
	}
	if !woken(s) || woken(s) {
		t.Fatal("wake-ups piled up")
	}
}

func TestClosedSubscriptionHearsNothingAndFreesItsPlace(t *testing.T) {
	h := NewHub(1)
	s := subscribe(t, h, "x")
	if _, err := h.Subscribe("y"); !errors.Is(err, ErrFull) {
		t.Fatalf("err = %v", err)
	}
	s.Close()
	s.Close()
	h.Publish("x")
	if woken(s) || h.Len() != 0 || len(h.topics) != 0 {
		t.Fatalf("the closed subscription stayed: %d, %v", h.Len(), h.topics)
	}
	subscribe(t, h, "y").Close()
}

func TestHubSurvivesManyListenersAtOnce(t *testing.T) {
	h := NewHub(0)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			topic := strconv.Itoa(i % 4)
			for range 50 {
				s, err := h.Subscribe(topic)
				if err != nil {
					t.Error(err)
					return
				}
				h.Publish(topic)
				<-s.C // our own wake-up, or an earlier one
				s.Close()
			}
		})
	}
	wg.Wait()
	if h.Len() != 0 {
		t.Fatalf("%d subscriptions left", h.Len())
	}
}

func TestSubscriptionSaysWhichOfItsTopicsWokeIt(t *testing.T) {
	h := NewHub(1)
	s, err := h.Subscribe("a", "b", "c")
	if err != nil || h.Len() != 1 {
		t.Fatalf("%d, %v", h.Len(), err)
	}
	for _, topic := range []string{"c", "a", "c", "d"} {
		h.Publish(topic)
	}
	if !woken(s) || woken(s) {
		t.Fatal("several topics are one wake-up")
	}
	if got := s.Woken(); !slices.Equal(got, []string{"a", "c"}) {
		t.Fatalf("woken by %q", got)
	}
	if got := s.Woken(); len(got) != 0 {
		t.Fatalf("woken again by %q", got)
	}
	s.Close()
	if len(h.topics) != 0 || h.Len() != 0 {
		t.Fatalf("%v stayed", h.topics)
	}
}

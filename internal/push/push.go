// Package push wakes those who wait for something to change: a hub inside one
// process, by topic. A wake-up carries nothing but its topic; whoever hears one
// reads the state again, so a lost, doubled or late wake-up costs a look and no
// more.
package push

import (
	"errors"
	"sync"
)

// ErrFull says that the hub has as many subscriptions as it may hold.
var ErrFull = errors.New("push: too many subscriptions")

// Hub hands wake-ups to subscriptions. It starts no goroutine; the zero value
// serves without a limit.
type Hub struct {
	// Limit is the most subscriptions at a time; 0 is none.
	Limit int

	mu     sync.Mutex
	topics map[string]map[*Subscription]struct{}
	n      int
}

// NewHub makes a hub for up to limit subscriptions.
func NewHub(limit int) *Hub { return &Hub{Limit: limit} }

// Subscription is one waiting listener. C holds at most one wake-up: those that
// come while one waits are the same news.
type Subscription struct {
	// C wakes the listener; it is never closed.
	C <-chan struct{}

	c      chan struct{}
	hub    *Hub
	topics []string
	woken  map[string]struct{} // under the hub's lock
	once   sync.Once
}

// AccountTopic is the topic of one kind of an account's things.
func AccountTopic(account, what string) string { return "account:" + account + ":" + what }

// Subscribe begins to listen to topics; the caller ends it with Close. When the
// hub is full it is ErrFull: the caller polls instead. Subscribe before reading
// the state, or a change between the two is missed.
func (h *Hub) Subscribe(topics ...string) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Limit > 0 && h.n >= h.Limit {
		return nil, ErrFull
	}
	c := make(chan struct{}, 1)
	s := &Subscription{C: c, c: c, hub: h, topics: topics, woken: map[string]struct{}{}}
	if h.topics == nil {
		h.topics = map[string]map[*Subscription]struct{}{}
	}
	for _, topic := range topics {
		if h.topics[topic] == nil {
			h.topics[topic] = map[*Subscription]struct{}{}
		}
		h.topics[topic][s] = struct{}{}
	}
	h.n++
	return s, nil
}

// Woken gives the topics that were published since it was last asked, in the
// order in which they were subscribed to.
func (s *Subscription) Woken() []string {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	var out []string
	for _, topic := range s.topics {
		if _, ok := s.woken[topic]; ok {
			out = append(out, topic)
		}
	}
	clear(s.woken)
	return out
}

// Close ends a subscription; closing twice does nothing.
func (s *Subscription) Close() {
	s.once.Do(func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		for _, topic := range s.topics {
			delete(s.hub.topics[topic], s)
			if len(s.hub.topics[topic]) == 0 {
				delete(s.hub.topics, topic)
			}
		}
		s.hub.n--
	})
}

// Publish wakes every listener of a topic. It never waits.
func (h *Hub) Publish(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.topics[topic] {
		s.woken[topic] = struct{}{}
		select {
		case s.c <- struct{}{}:
		default:
		}
	}
}

// Len is how many subscriptions are open; for metrics.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

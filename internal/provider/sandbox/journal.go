package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/push"
)

// Event is one thing that happened in the sandbox's world or in the house.
type Event struct {
	// Seq grows by one; it goes on growing over restarts, so that a page that
	// reconnects misses nothing and sees nothing twice.
	Seq int64     `json:"seq"`
	At  time.Time `json:"at"`
	// Kind is a dotted name such as "sms.delivered"; the house's own kinds are
	// those of its audit entries.
	Kind string `json:"kind"`
	// Subject is whom or what it happened to, Actor who did it; both may be empty.
	Subject string            `json:"subject,omitempty"`
	Actor   string            `json:"actor,omitempty"`
	Data    map[string]string `json:"data,omitempty"`
}

const (
	journalSize    = 500 // events that are kept
	journalStreams = 32  // pages that follow at a time
	journalBeat    = 15 * time.Second
	journalWrite   = 10 * time.Second // for one event to a page that reads slowly
)

// Journal keeps the latest events and shows them to the panel's page as they
// come (server-sent events). It is safe for concurrent use.
type Journal struct {
	clock clock.Clock
	hub   *push.Hub
	stop  chan struct{}
	once  sync.Once

	mu     sync.Mutex
	events []Event
	last   int64
}

// NewJournal makes an empty journal.
func NewJournal(c clock.Clock) *Journal {
	return &Journal{clock: c, hub: push.NewHub(journalStreams), stop: make(chan struct{}), last: c.Now().UnixMilli()}
}

// Note adds an event; Seq is set here, and At unless it is known.
func (j *Journal) Note(e Event) {
	j.mu.Lock()
	j.last++
	if e.Seq = j.last; e.At.IsZero() {
		e.At = j.clock.Now()
	}
	j.events = append(j.events, e)
	j.events = j.events[max(0, len(j.events)-journalSize):]
	j.mu.Unlock()
	j.hub.Publish("")
}

// After gives the kept events behind a sequence number, oldest first.
func (j *Journal) After(seq int64) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, e := range j.events {
		if e.Seq > seq {
			return append([]Event{}, j.events[i:]...)
		}
	}
	return nil
}

// Close ends every stream, which would hold the listener open; closing twice
// does nothing.
func (j *Journal) Close() { j.once.Do(func() { close(j.stop) }) }

// ServeHTTP streams the kept events behind Last-Event-ID and then the new ones,
// each as an event named "log" whose id is its Seq.
func (j *Journal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sub, err := j.hub.Subscribe("")
	if err != nil {
		w.Header().Set("Retry-After", "5")
		write(w, http.StatusServiceUnavailable, map[string]string{"error": "too many pages follow the log"})
		return
	}
	defer sub.Close()
	out := http.NewResponseController(w)
	// The server's limit for reading is meant for requests with a body; it would
	// end the stream. Where the server knows no limits there is none to lift.
	_ = out.SetReadDeadline(time.Time{})
	defer out.SetWriteDeadline(time.Time{}) // the connection may serve on
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	beat := time.NewTicker(journalBeat)
	defer beat.Stop()
	// What is no number begins at the beginning.
	seen, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	line := ": \n\n"
	for {
		for _, e := range j.After(seen) {
			b, err := json.Marshal(e)
			if err != nil {
				return
			}
			line += fmt.Sprintf("id: %d\nevent: log\ndata: %s\n\n", e.Seq, b)
			seen = e.Seq
		}
		if line != "" {
			_ = out.SetWriteDeadline(clock.System{}.Now().Add(journalWrite))
			if _, err := io.WriteString(w, line); err != nil || out.Flush() != nil {
				return
			}
		}
		line = ""
		select {
		case <-r.Context().Done():
			return
		case <-j.stop:
			return
		case <-sub.C:
		case <-beat.C:
			line = ": \n\n"
		}
	}
}

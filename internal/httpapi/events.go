package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tianweitong/internal/clock"
)

// writeLimit is how long a reader may take for one event.
const writeLimit = 5 * time.Second

// Events writes server-sent events to one reader.
type Events struct {
	w http.ResponseWriter
	c *http.ResponseController
}

// OpenEvents begins a stream that proxies hand on at once.
func OpenEvents(hc huma.Context) *Events {
	_, w := humago.Unwrap(hc)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Accel-Buffering", "no")
	return &Events{w, http.NewResponseController(w)}
}

// Send writes one event, or a comment, and its empty line.
func (e *Events) Send(text string) error {
	// The deadline is the machine's, whatever the house's clock says.
	if err := e.c.SetWriteDeadline(clock.System{}.Now().Add(writeLimit)); err != nil {
		return fmt.Errorf("no deadline for an event: %w", err)
	}
	if _, err := io.WriteString(e.w, text); err != nil {
		return err
	}
	return e.c.Flush()
}

// Close gives the connection back: it may serve on.
func (e *Events) Close() { e.c.SetWriteDeadline(time.Time{}) }

// Places counts what is held at a time, by name; the zero value holds nothing.
type Places struct {
	mu   sync.Mutex
	held map[string]int
}

// Take takes one of limit places of a name; nil when they are all held.
func (p *Places) Take(name string, limit int) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[name] >= limit {
		return nil
	}
	if p.held == nil {
		p.held = map[string]int{}
	}
	p.held[name]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held[name]--; p.held[name] == 0 {
			delete(p.held, name)
		}
	}
}

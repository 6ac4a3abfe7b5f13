// Package once remembers for a while what may be used once: request numbers,
// encapsulated keys. It lives in one process; SECURITY.md says what a restart
// forgets.
package once

import (
	"sync"
	"time"
)

// Window remembers keys for at least its life and at most twice as long, in two
// generations, so that forgetting costs nothing. The zero value with Life set
// is ready; it is safe for concurrent use.
type Window[K comparable] struct {
	// Life is how long a key must be remembered: as long as its time is accepted.
	Life time.Duration

	mu           sync.Mutex
	since        time.Time
	newer, older map[K]struct{}
}

// First reports whether key is seen for the first time within the life, and
// remembers it.
func (w *Window[K]) First(key K, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newer == nil || now.Sub(w.since) > w.Life {
		w.older, w.newer, w.since = w.newer, map[K]struct{}{}, now
	}
	if _, again := w.newer[key]; again {
		return false
	}
	if _, again := w.older[key]; again {
		return false
	}
	w.newer[key] = struct{}{}
	return true
}

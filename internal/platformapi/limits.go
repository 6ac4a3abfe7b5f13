package platformapi

import (
	"sync"
	"time"
)

// What one platform may take of what all share; Deps may say otherwise.
const (
	creationsPerMinute    = 60_000
	streamsPerPlatform    = 256
	streamsPerTransaction = 4
)

// pace counts what happens in the present minute.
type pace struct {
	mu     sync.Mutex
	minute time.Time
	n      map[string]int
}

// take counts one more for a name, up to limit in a minute; then CodeTooMany.
func (p *pace) take(name string, limit int, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.minute, p.n = minute, map[string]int{}
	}
	if p.n[name] >= limit {
		return tooMany(p.minute.Add(time.Minute).Sub(now))
	}
	p.n[name]++
	return nil
}

func tooMany(wait time.Duration) error {
	return CodeTooMany.With(map[string]any{"retryAfterSeconds": int((wait + time.Second - 1) / time.Second)})
}

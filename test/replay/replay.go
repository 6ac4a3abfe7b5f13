// Package replay has a phone do again what it did before, from a tape: the same
// randomness, the same clock, the same answers of the server. Every byte that it
// sends and keeps has to be the same. It builds natively and for a browser, so
// that one tape holds both against each other.
package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/phone"
)

// Tape is what a phone did.
type Tape struct {
	Thumbprint []byte
	Before     phone.State
	Jobs       []Job
	Calls      []Call
	// Nows are the times that the phone was told, in Unix nanoseconds.
	Nows []int64
	// After is the state that it kept, Stages what it told of its progress.
	After  phone.State
	Stages []phone.Stage
}

// Job is a job with the PINs that were typed.
type Job struct {
	Job  phone.Job
	Pins []string
}

// Call is a request and its answer.
type Call struct {
	Method, Path, ContentType string
	Body                      []byte
	Status                    int
	Answer                    []byte
}

// Stream is a random source that repeats: SM3 of a counter.
type Stream struct {
	counter uint64
	rest    []byte
}

// Read implements io.Reader.
func (s *Stream) Read(b []byte) (int, error) {
	for i := range b {
		if len(s.rest) == 0 {
			s.counter++
			sum := sm3.Sum(fmt.Appendf(nil, "replay %d", s.counter))
			s.rest = sum[:]
		}
		b[i], s.rest = s.rest[0], s.rest[1:]
	}
	return len(b), nil
}

var _ io.Reader = (*Stream)(nil)

// player answers from the tape and holds every request against it.
type player struct {
	tape *Tape
	next int
	now  int
}

// Send implements phone.Transport.
func (p *player) Send(_ context.Context, method, path, contentType string, body []byte) (int, []byte, error) {
	if p.next == len(p.tape.Calls) {
		return 0, nil, fmt.Errorf("%s %s: one request more than on the tape", method, path)
	}
	c := p.tape.Calls[p.next]
	p.next++
	if method != c.Method || path != c.Path || contentType != c.ContentType || !bytes.Equal(body, c.Body) {
		return 0, nil, fmt.Errorf("request %d is %s %s %s, on the tape %s %s %s", p.next, method, path, body, c.Method, c.Path, c.Body)
	}
	return c.Status, c.Answer, nil
}

func (p *player) tell() time.Time {
	if p.now < len(p.tape.Nows) {
		p.now++
	}
	return time.Unix(0, p.tape.Nows[p.now-1])
}

// Play does everything on the tape again; the error names the first difference.
func Play(t Tape) error {
	memory := new(phone.Memory)
	if err := memory.Save(t.Before); err != nil {
		return err
	}
	pl := &player{tape: &t}
	var stages []phone.Stage
	p, err := phone.New(phone.Options{
		Transport: pl, Thumbprint: t.Thumbprint, Store: memory, Sandbox: true, Rand: new(Stream), Now: pl.tell,
		Progress: func(s phone.Stage) { stages = append(stages, s) },
	})
	if err != nil {
		return err
	}
	for _, j := range t.Jobs {
		var pins [][]byte
		for _, pin := range j.Pins {
			pins = append(pins, []byte(pin))
		}
		if _, err := p.Do(context.Background(), j.Job, pins...); err != nil {
			return fmt.Errorf("%s: %w", j.Job.Kind, err)
		}
	}
	if pl.next != len(t.Calls) {
		return fmt.Errorf("%d requests, on the tape %d", pl.next, len(t.Calls))
	}
	after, err := memory.Load()
	if err != nil {
		return err
	}
	return same("what it keeps", after, t.After, "what it tells", stages, t.Stages)
}

// same compares pairs behind their names.
func same(pairs ...any) error {
	for i := 0; i < len(pairs); i += 3 {
		a, err := json.Marshal(pairs[i+1])
		if err != nil {
			return err
		}
		b, err := json.Marshal(pairs[i+2])
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			return fmt.Errorf("%s is %s, on the tape %s", pairs[i], a, b)
		}
	}
	return nil
}

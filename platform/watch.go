package platform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"time"
)

const (
	maxEvent = 64 << 10
	// silence is how long a stream may say nothing, heartbeats included, before
	// it counts as broken.
	silence = 45 * time.Second
	// tries is how many questions in a row may fail before Watch gives up.
	tries = 5
)

// Watch yields the states of a transaction as they change, the present one
// first, and ends with a final one, whose result is verified as in Get. It
// listens to the service's events and, where a proxy or a network does not let
// them through, asks again every Config.Poll. It ends early with one error:
// when ctx is done, when a result is refused, or when the service refuses or
// cannot be reached five times in a row.
func (c *Client) Watch(ctx context.Context, tx Transaction) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		w := watcher{client: c, tx: tx, yield: yield}
		failed, listen, announced := 0, true, false
		for {
			s, err := c.Get(ctx, tx)
			switch {
			case err == nil:
				failed = 0
				if !w.show(s) || s.State.Final() {
					return
				}
			case !transient(err) || failed+1 == tries || ctx.Err() != nil:
				yield(Status{}, err)
				return
			default:
				failed++
			}
			if listen && err == nil {
				opened, err := w.listen(ctx)
				if w.stopped {
					return
				}
				// A stream that never opened will not open next time either.
				listen = opened
				if err == nil && !announced {
					announced = true
					continue // a final state: Get verifies it
				}
			}
			if !pause(ctx, c.poll) {
				yield(Status{}, ctx.Err())
				return
			}
		}
	}
}

func transient(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		return p.Temporary()
	}
	return errors.Is(err, ErrUnreachable)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

type watcher struct {
	client  *Client
	tx      Transaction
	yield   func(Status, error) bool
	last    Status
	stopped bool
}

// show yields a state unless it is the one shown last.
func (w *watcher) show(s Status) bool {
	if s.State == w.last.State && s.Code == w.last.Code {
		return true
	}
	w.last = s
	w.stopped = !w.yield(s, nil)
	return !w.stopped
}

var errBroken = errors.New("platform: event stream ended")

// listen reads events until a final state (nil), the caller's stop, or a break.
// opened tells whether the service offered a stream at all.
func (w *watcher) listen(ctx context.Context) (opened bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	path, err := w.client.path(w.tx, "/events")
	if err != nil {
		return false, err
	}
	req, err := w.client.request(ctx, "GET", path, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	guard := time.AfterFunc(silence, cancel)
	defer guard.Stop()
	res, err := w.client.stream.Do(req)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer res.Body.Close()
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		return false, problemOf(res)
	}
	err = readEvents(res.Body, func() { guard.Reset(silence) }, func(data []byte) (bool, error) {
		var e wireStatus
		if err := json.Unmarshal(data, &e); err != nil {
			return false, fmt.Errorf("%w: %w", ErrReply, err)
		}
		s, err := statusOf(w.tx, e)
		if err != nil {
			return false, err
		}
		if s.State.Final() {
			return false, nil
		}
		return w.show(s), nil
	})
	return true, err
}

// readEvents reads server-sent events (HTML §9.2) and hands the data of each
// "state" event over, until handle says stop or fails. A stream that ends by
// itself is errBroken.
func readEvents(r io.Reader, alive func(), handle func(data []byte) (bool, error)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxEvent)
	var event string
	var data []byte
	for lines.Scan() {
		alive()
		line := lines.Bytes()
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) == 0:
			if event == "state" && len(data) > 0 {
				if more, err := handle(data); err != nil || !more {
					return err
				}
			}
			event, data = "", nil
		case string(field) == "event":
			event = string(value)
		case string(field) == "data":
			if len(data)+len(value) > maxEvent {
				return fmt.Errorf("%w: event of more than %d bytes", ErrReply, maxEvent)
			}
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return errBroken
}

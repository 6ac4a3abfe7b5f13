package once

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestKeyIsTakenOnceForItsWholeLife(t *testing.T) {
	w := Window[string]{Life: time.Minute}
	if !w.First("a", noon) {
		t.Fatal("not the first")
	}
	for _, later := range []time.Duration{0, 30 * time.Second, time.Minute} {
		if w.First("a", noon.Add(later)) {
			t.Errorf("taken again after %s", later)
		}
	}
	if !w.First("b", noon.Add(61*time.Second)) { // a generation turns
		t.Fatal("b was never there")
	}
	if w.First("b", noon.Add(121*time.Second)) {
		t.Error("b is forgotten within its life")
	}
}

func TestOldKeysAreForgotten(t *testing.T) {
	w := Window[int]{Life: time.Minute}
	for i := range 100 {
		w.First(i, noon.Add(time.Duration(i)*2*time.Minute))
	}
	if n := len(w.newer) + len(w.older); n > 2 {
		t.Errorf("%d keys are remembered", n)
	}
}

func TestOneOfManyAtOnceIsFirst(t *testing.T) {
	w := Window[string]{Life: time.Minute}
	var first atomic.Int32
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if w.First("x", noon) {
				first.Add(1)
			}
		})
	}
	all.Wait()
	if first.Load() != 1 {
		t.Errorf("%d were first", first.Load())
	}
}

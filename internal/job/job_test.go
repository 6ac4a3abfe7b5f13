package job_test

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/job"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

// A topic whose jobs hang, such as the callbacks of a silent platform, takes its
// own workers and nobody else's.
func TestHangingTopicHoldsItsOwnWorkersAlone(t *testing.T) {
	c := clock.NewManual(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		const own, others = 3, 2
		r := job.New(st, c, rand.Reader, slog.New(slog.NewTextHandler(io.Discard, nil)))
		r.Workers = others
		hanging, done, leave := make(chan struct{}, 64), make(chan struct{}, 64), make(chan struct{})
		r.Handle("hangs", job.Policy{Workers: own}, func(context.Context, []byte) error {
			hanging <- struct{}{}
			<-leave
			return nil
		})
		r.Handle("runs", job.Patient, func(context.Context, []byte) error {
			done <- struct{}{}
			return nil
		})
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			for i := range 40 {
				topic := "hangs"
				if i >= 30 {
					topic = "runs"
				}
				if err := tx.Enqueue(ctx, work.Job{Topic: topic}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx)
		}()
		for range own {
			<-hanging
		}
		for n := range 10 {
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatalf("%d of 10 jobs were done beside the hanging ones", n)
			}
		}
		if n := len(hanging); n != 0 {
			t.Errorf("%d more hang than the topic has workers", n)
		}
		stop()
		close(leave)
		<-ended
	})
}

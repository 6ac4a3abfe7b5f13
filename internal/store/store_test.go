package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/job"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestFailedOperationLeavesNothing(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		boom := errors.New("boom")
		woken := false
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			if err := tx.Enqueue(ctx, work.Job{Topic: "x"}); err != nil {
				return err
			}
			if err := tx.Record(ctx, work.Entry{Kind: "x", Actor: "system", Subject: "s"}); err != nil {
				return err
			}
			tx.AfterCommit(func() { woken = true })
			return boom
		})
		if !errors.Is(err, boom) || woken {
			t.Fatalf("err = %v, woken = %v", err, woken)
		}
		if n, err := st.CountJobs(t.Context()); err != nil || len(n) != 0 {
			t.Fatalf("jobs = %v, %v", n, err)
		}
	})
}

func TestDoInsideDoIsRefused(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		err := st.Do(t.Context(), "outer", func(ctx context.Context, _ work.Tx) error {
			return st.Do(ctx, "inner", func(context.Context, work.Tx) error { return nil })
		})
		if !errors.Is(err, work.ErrNested) {
			t.Fatalf("err = %v", err)
		}
	})
}

func TestViewCannotWrite(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		err := st.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
			return tx.Enqueue(ctx, work.Job{Topic: "x"})
		})
		if err == nil {
			t.Fatal("a view wrote")
		}
	})
}

func TestJobIsClaimedByOneAndComesBackWhenItsLeaseEnds(t *testing.T) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		const jobs = 60
		err := st.Do(ctx, "test", func(ctx context.Context, tx work.Tx) error {
			for range jobs {
				if err := tx.Enqueue(ctx, work.Job{Topic: "x", Body: []byte("b")}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for _, name := range []string{"l1", "l2", "l3"} {
			wg.Go(func() {
				for {
					got, err := st.ClaimJobs(ctx, job.Topics{Except: true}, name, c.Now(), c.Now().Add(time.Minute), 7)
					if err != nil {
						t.Error(err)
						return
					}
					if len(got) == 0 {
						return
					}
					mu.Lock()
					for _, j := range got {
						seen[j.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != jobs {
			t.Fatalf("%d jobs claimed, want %d", len(seen), jobs)
		}
		for id, n := range seen {
			if n != 1 {
				t.Fatalf("job %s claimed %d times", id, n)
			}
		}
		got, err := st.ClaimJobs(ctx, job.Topics{Except: true}, "late", c.Now().Add(2*time.Minute), c.Now().Add(3*time.Minute), jobs)
		if err != nil || len(got) != jobs || got[0].Attempts != 2 {
			t.Fatalf("after the lease: %d jobs, %v", len(got), err)
		}
	})
}

func TestReleasedJobIsClaimedAtOnceAndLostToItsFormerHolder(t *testing.T) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		err := st.Do(ctx, "test", func(ctx context.Context, tx work.Tx) error { return tx.Enqueue(ctx, work.Job{Topic: "x"}) })
		if err != nil {
			t.Fatal(err)
		}
		gone, err := st.ClaimJobs(ctx, job.Topics{Except: true}, "gone", c.Now(), c.Now().Add(time.Minute), 1)
		if err != nil || len(gone) != 1 {
			t.Fatalf("%d jobs, %v", len(gone), err)
		}
		if err := st.ReleaseJobs(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := st.ClaimJobs(ctx, job.Topics{Except: true}, "next", c.Now(), c.Now().Add(time.Minute), 1)
		if err != nil || len(got) != 1 || got[0].Attempts != 2 {
			t.Fatalf("after the release: %+v, %v", got, err)
		}
		if err := st.FinishJob(ctx, gone[0]); !errors.Is(err, job.ErrLost) {
			t.Errorf("the former holder got %v", err)
		}
	})
}

func TestKeyedJobWaitsOnce(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		for range 3 {
			err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
				return tx.Enqueue(ctx, work.Job{Topic: "crl", Key: "crl:1"})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		n, err := st.CountJobs(t.Context())
		if err != nil || len(n) != 1 || n[0].N != 1 {
			t.Fatalf("jobs = %v, %v", n, err)
		}
	})
}

func TestSecondProcessIsRefusedUntilTheFirstLeaves(t *testing.T) {
	for engine, dsn := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			address, lock := dsn(t), t.TempDir()+"/lock"
			first := storetest.Open(t, address, clock.System{})
			second := storetest.Open(t, address, clock.System{})
			release, _, err := first.Claim(t.Context(), lock)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := second.Claim(t.Context(), lock); !errors.Is(err, store.ErrClaimed) {
				t.Fatalf("second claim: %v", err)
			}
			release()
			release, _, err = second.Claim(t.Context(), lock)
			if err != nil {
				t.Fatalf("after release: %v", err)
			}
			release()
		})
	}
}

func TestKeyedJobMayPlanItsSuccessorWhileItRuns(t *testing.T) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		enqueue := func() {
			t.Helper()
			if err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
				return tx.Enqueue(ctx, work.Job{Topic: "tick", Key: "tick", Due: c.Now()})
			}); err != nil {
				t.Fatal(err)
			}
		}
		enqueue()
		running, err := st.ClaimJobs(t.Context(), job.Topics{Except: true}, "l", c.Now(), c.Now().Add(time.Minute), 1)
		if err != nil || len(running) != 1 {
			t.Fatalf("claimed %v, %v", running, err)
		}
		enqueue()
		if err := st.FinishJob(t.Context(), running[0]); err != nil {
			t.Fatal(err)
		}
		if next, err := st.ClaimJobs(t.Context(), job.Topics{Except: true}, "l", c.Now(), c.Now().Add(time.Minute), 9); err != nil || len(next) != 1 {
			t.Fatalf("the successor: %v, %v", next, err)
		}
	})
}

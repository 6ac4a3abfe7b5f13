package scan_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/scan"
	"tianweitong/internal/work"
)

func (s *stage) enter(op string) error {
	return s.Door.Enter(context.Background(), s.holder.Holder, op)
}

// Invariant 8 of docs/domain.md §5: 64 answers, cancellations, refusals and sweeps
// at once leave one end, one record, and at most one result.
func TestTransactionIsExecutedAtMostOnceUnderARace(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		for round := range 3 {
			id, op := s.confirmed(sign())
			var wg sync.WaitGroup
			start := make(chan struct{})
			var mu sync.Mutex
			won := 0
			for i := range 64 {
				wg.Go(func() {
					<-start
					switch {
					case round%3 == 1 && i%16 == 5:
						s.Scans.Reject(context.Background(), s.holder.Holder, id)
					case round%3 == 2 && i%16 == 5:
						s.Do(context.Background(), "cancel", func(ctx context.Context, tx work.Tx) error {
							_, err := s.Scans.Cancel(ctx, tx, s.platform.Code, id)
							return err
						})
					case s.enter(op) == nil:
						mu.Lock()
						won++
						mu.Unlock()
					}
				})
			}
			close(start)
			wg.Wait()
			st := s.status(id)
			switch {
			case st.State == scan.Executed && st.Signed != nil && won > 0:
			case (st.State == scan.Rejected || st.State == scan.Cancelled) && st.Signed == nil && round%3 > 0 && won == 0:
			default:
				t.Fatalf("round %d: %s with result %v, %d answers went through", round, st.State, st.Signed != nil, won)
			}
			if n := len(s.usage()); n != round+1 {
				t.Fatalf("round %d: %d usage records", round, n)
			}
		}
	})
}

func TestScanIsWonByOneOfManyPhones(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		id := s.begin(login()).ID
		text := s.qr(id)
		var wg sync.WaitGroup
		start := make(chan struct{})
		results := make(chan error, 64)
		for i := range 64 {
			p := s.holder
			if i%2 == 0 {
				p = s.NewPerson(fmt.Sprintf("第%d人", i))
			}
			wg.Go(func() {
				<-start
				_, err := s.Scans.Scan(context.Background(), p.Holder, text, office)
				if errors.Is(err, scan.CodeQRTaken) {
					err = nil
				} else if err == nil {
					err = errors.New(p.Account)
				}
				results <- err
			})
		}
		close(start)
		wg.Wait()
		close(results)
		winners := map[string]bool{}
		for err := range results {
			if err != nil {
				winners[err.Error()] = true
			}
		}
		if len(winners) != 1 {
			t.Fatalf("bound to %v", winners)
		}
	})
}

// The fault table of the execution: each step fails, or fails but had its effect;
// the phone answers again and it goes on where it was.
func TestBrokenExecutionGoesOn(t *testing.T) {
	s := lite(t)
	boom := errors.New("boom")
	stamp := s.Stamp
	for name, breaks := range map[string]func(t *testing.T, op string){
		"the timestamp fails": func(t *testing.T, op string) {
			s.Stamp = func([]byte) ([]byte, error) { return nil, boom }
			err := s.enter(op)
			s.Stamp = stamp
			is(t, err, scan.CodeTimestamp)
		},
		"the second transaction rolls back": func(t *testing.T, op string) {
			if err := s.step(op, boom); !errors.Is(err, boom) {
				t.Fatal(err)
			}
		},
		"the answer is lost": func(t *testing.T, op string) {
			if err := s.enter(op); err != nil {
				t.Fatal(err)
			}
		},
		"the process stops before it writes": func(t *testing.T, op string) {
			if _, err := s.Scans.Finish(t.Context(), s.holder.Holder, s.Door.Operation(op).Activation); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.usage())
			id, op := s.confirmed(login())
			breaks(t, op)
			if st := s.status(id); st.State != scan.Ready && name != "the answer is lost" {
				t.Fatalf("after the break: %s", st.State)
			}
			for range 2 {
				if err := s.enter(op); err != nil {
					t.Fatal(err)
				}
			}
			ended(t, s.status(id), scan.Executed, scan.OK)
			if n := len(s.usage()) - before; n != 1 {
				t.Fatalf("%d usage records", n)
			}
		})
	}
}

// step runs an execution up to its second transaction and breaks that at its end.
func (s *stage) step(op string, boom error) error {
	a := s.Door.Operation(op).Activation
	ctx := context.Background()
	finish, err := s.Scans.Finish(ctx, s.holder.Holder, a)
	if err != nil {
		return err
	}
	commit, err := finish(ctx, custody.Done{Activation: a, At: s.Clock.Now(), Signature: []byte("sig")})
	if err != nil {
		return err
	}
	return s.Do(ctx, "test", func(ctx context.Context, tx work.Tx) error {
		if err := commit(ctx, tx); err != nil {
			return err
		}
		return boom
	})
}

func TestRightPINInTheLastMomentStillCounts(t *testing.T) {
	s := lite(t)
	id, op := s.confirmed(login())
	a := s.Door.Operation(op).Activation
	s.Clock.Advance(scan.LoginLife - time.Second)
	at := s.Clock.Now()
	s.Clock.Advance(10 * time.Second) // custody was in time, we are not
	s.sweep()
	finish, err := s.Scans.Finish(t.Context(), s.holder.Holder, a)
	if err != nil {
		t.Fatal(err)
	}
	late, err := finish(t.Context(), custody.Done{Activation: a, At: s.Clock.Now(), Signature: []byte("sig")})
	if err != nil {
		t.Fatal(err)
	}
	is(t, s.Do(t.Context(), "test", late), scan.CodeOver)
	commit, err := finish(t.Context(), custody.Done{Activation: a, At: at, Signature: []byte("sig")})
	if err != nil {
		t.Fatal(err)
	}
	s.Must(commit)
	ended(t, s.status(id), scan.Executed, scan.OK)
}

func TestEndThatThePlatformSawStays(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		id, op := s.confirmed(sign())
		s.Clock.Advance(scan.OtherLife - time.Second)
		stamp := s.Stamp
		s.Stamp = func(imprint []byte) ([]byte, error) {
			s.Clock.Advance(30 * time.Second) // the timestamp comes after the grace
			ended(t, s.status(id), scan.Expired, scan.Timeout)
			return stamp(imprint)
		}
		is(t, s.enter(op), scan.CodeOver)
		ended(t, s.status(id), scan.Expired, scan.Timeout)
		s.sweep()
		ended(t, s.status(id), scan.Expired, scan.Timeout)
		if all := s.usage(); len(all) != 1 || all[0].Outcome != string(scan.Timeout) {
			t.Errorf("usage %+v", all)
		}
	})
}

func TestCertificateIsJudgedAgainAtExecution(t *testing.T) {
	s := lite(t)
	for name, c := range map[string]struct {
		spoil  func(situation)
		mend   func(situation)
		public scan.Outcome
	}{
		"revoked":               {func(x situation) { x.revoke(x.cert0()) }, nil, scan.CertRevoked},
		"frozen":                {func(x situation) { x.freeze(x.cert0()) }, nil, scan.NoCert},
		"another device active": {func(x situation) { x.Bind(x.p.Account, "elsewhere") }, nil, scan.KeyLost},
	} {
		t.Run(name, func(t *testing.T) {
			x := situation{s, s.NewPerson("执行人")}
			s.holder, s.cert = x.p, s.Certify(x.p, s.platform.Code).ID
			// Before anything is computed: it ends, and custody may not sign.
			id, op := s.confirmed(login())
			c.spoil(x)
			if err := s.enter(op); err == nil {
				t.Fatal("executed")
			}
			ended(t, s.status(id), scan.Failed, c.public)
			if !s.Door.Operation(op).Withdrawn {
				t.Error("custody may still sign")
			}
			if all := s.usage(); len(all) != 1 || all[0].Outcome != string(c.public) || all[0].Digest != nil {
				t.Errorf("usage %+v", all)
			}
		})
		t.Run(name+" while it is computed", func(t *testing.T) {
			x := situation{s, s.NewPerson("执行人")}
			s.holder, s.cert = x.p, s.Certify(x.p, s.platform.Code).ID
			id, op := s.confirmed(login())
			a := s.Door.Operation(op).Activation
			finish, err := s.Scans.Finish(t.Context(), s.holder.Holder, a)
			if err != nil {
				t.Fatal(err)
			}
			commit, err := finish(t.Context(), custody.Done{Activation: a, At: s.Clock.Now(), Signature: []byte("sig")})
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(x)
			if err := s.Do(t.Context(), "test", commit); err == nil {
				t.Fatal("executed")
			}
			if err := s.enter(op); err == nil {
				t.Fatal("executed at the second answer")
			}
			ended(t, s.status(id), scan.Failed, c.public)
		})
	}
}

// cert0 is the holder's only certificate.
func (s situation) cert0() (c certificate.Certificate) {
	s.Must(func(ctx context.Context, tx work.Tx) error {
		all, err := s.Certificates.Held(ctx, tx, s.p.Account)
		if err == nil {
			c = all[0]
		}
		return err
	})
	return c
}

func TestRekeyHoldsTheTimer(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		hold := func() {
			s.Must(func(ctx context.Context, tx work.Tx) error { return s.Scans.Hold(ctx, tx, s.holder.Account) })
		}
		resume := func() {
			s.Must(func(ctx context.Context, tx work.Tx) error { return s.Scans.Resume(ctx, tx, s.holder.Account) })
		}
		id, op := s.confirmed(login())
		untouched := s.begin(login()).ID
		s.Clock.Advance(100 * time.Second)
		hold()
		hold()
		if st := s.status(id); st.State != scan.Recovering {
			t.Fatalf("held: %s", st.State)
		}
		if err := s.enter(op); err == nil {
			t.Fatal("executed while it is held")
		}
		_, err := s.confirm(id)
		is(t, err, scan.CodeRecovering)
		s.Clock.Advance(scan.HoldLife - time.Second)
		s.sweep()
		resume()
		ended(t, s.status(untouched), scan.Expired, scan.Timeout)
		st := s.status(id)
		if left := st.ExpiresAt.Sub(s.Clock.Now()); st.State != scan.Scanned || left != time.Minute {
			t.Fatalf("resumed: %s, %v left", st.State, left)
		}
		if op, err = s.confirm(id); err != nil {
			t.Fatal(err)
		}
		if err := s.enter(op); err != nil {
			t.Fatal(err)
		}
		// One that is never resumed ends.
		lost := s.scanned(login()).ID
		hold()
		s.Clock.Advance(scan.HoldLife)
		ended(t, s.status(lost), scan.Expired, scan.Timeout)
		s.sweep()
		resume()
		ended(t, s.status(lost), scan.Expired, scan.Timeout)
	})
}

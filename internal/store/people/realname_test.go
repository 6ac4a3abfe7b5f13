package people_test

import (
	"context"
	"errors"
	"testing"

	"tianweitong/internal/clock"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

func TestRealnameChecksAreSwappedAndErased(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Realnames(st)
		c := realname.Check{ID: "1", Account: "a", Purpose: "recover", Subject: "r", State: realname.StateFace, Name: "测试甲",
			IDNumber: "n", Phone: "p", Method: realname.MethodBank, Card: "c", CardTail: "t", CardHash: "h", Calls: 1, Ref: "1-1", Failed: 2, Reason: "x", StartedAt: noon, Version: 1}
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if _, err := s.Get(ctx, tx, "1"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("Get of nothing: %v", err)
			}
			if err := s.Insert(ctx, tx, c); err != nil {
				return err
			}
			if got, err := s.Get(ctx, tx, "1"); err != nil || got != c {
				t.Errorf("Get = %+v, %v", got, err)
			}
			c.State, c.Ref = realname.StateChecking, "1-2"
			if err := s.Put(ctx, tx, c); err != nil {
				return err
			}
			if err := s.Put(ctx, tx, c); !errors.Is(err, work.ErrConflict) {
				t.Errorf("Put of an old version: %v", err)
			}
			older, newer := c, c
			older.ID, older.State, newer.ID = "0", realname.StatePassed, "2"
			for _, x := range []realname.Check{older, newer} {
				if err := s.Insert(ctx, tx, x); err != nil {
					return err
				}
			}
			if got, err := s.Latest(ctx, tx, "a", "recover", "r"); err != nil || got.ID != "2" {
				t.Errorf("Latest = %+v, %v", got, err)
			}
			if _, err := s.Latest(ctx, tx, "a", "realname", "r"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("Latest of another purpose: %v", err)
			}
			if err := s.EndOpen(ctx, tx, "a", "recover"); err != nil {
				return err
			}
			for id, want := range map[string]realname.State{"0": realname.StatePassed, "1": realname.StateEnded, "2": realname.StateEnded} {
				got, err := s.Get(ctx, tx, id)
				if err != nil || got.State != want || want == realname.StateEnded && got.Name+got.IDNumber+got.Phone+got.Card+got.Ref != "" {
					t.Errorf("check %s = %+v, %v", id, got, err)
				}
			}
			return nil
		})
	})
}

func TestRealnameAttemptsStartAnewEachDay(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Realnames(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			for _, x := range []struct {
				day  int64
				want int
			}{{1, 1}, {1, 2}, {2, 1}} {
				if n, err := s.Attempt(ctx, tx, "a", "p", x.day); err != nil || n != x.want {
					t.Errorf("attempt of day %d: %d, %v", x.day, n, err)
				}
			}
			for _, day := range []int64{1, 2, 2} { // of another day, and below nothing
				if err := s.GiveBack(ctx, tx, "a", "p", day); err != nil {
					return err
				}
			}
			for day, want := range map[int64]int{1: 0, 2: 0, 3: 0} {
				if n, err := s.Attempts(ctx, tx, "a", "p", day); err != nil || n != want {
					t.Errorf("attempts of day %d: %d, %v", day, n, err)
				}
			}
			return nil
		})
	})
}

func TestOnePersonPerAccountAndDocument(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Realnames(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			p := realname.Person{Account: "a", Holder: "h", Name: "测试甲", IDType: realname.IDResident, IDNumber: "n", IDHash: []byte("x"), VerifiedAt: noon}
			for i, x := range []struct {
				account, holder, hash string
				want                  bool
			}{{"a", "h", "x", true}, {"a", "h2", "y", false}, {"b", "h3", "x", false}, {"b", "h4", "y", true}} {
				p.Account, p.Holder, p.IDHash = x.account, x.holder, []byte(x.hash)
				if added, err := s.AddPerson(ctx, tx, p); err != nil || added != x.want {
					t.Errorf("%d: added = %v, %v", i, added, err)
				}
			}
			if err := s.Rename(ctx, tx, "a", "测试乙", noon); err != nil {
				return err
			}
			if got, err := s.Person(ctx, tx, "a"); err != nil || got.Name != "测试乙" || got.IDNumber != "n" || got.Holder != "h" {
				t.Errorf("Person = %+v, %v", got, err)
			}
			if _, err := s.Person(ctx, tx, "c"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("Person of nobody: %v", err)
			}
			if got, err := s.AccountOf(ctx, tx, []byte("y")); err != nil || got != "b" {
				t.Errorf("AccountOf = %s, %v", got, err)
			}
			if _, err := s.AccountOf(ctx, tx, []byte("z")); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("AccountOf nobody: %v", err)
			}
			return nil
		})
	})
}

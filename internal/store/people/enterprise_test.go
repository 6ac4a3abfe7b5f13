package people_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

func TestApplicationsAreKeptSealedAndSwapped(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Enterprises(st)
		a := enterprise.Application{ID: "1", Number: "RV-1", Account: "a", Kind: enterprise.KindChange, Enterprise: "e", Name: "测试甲有限公司", Code: "c",
			LegalName: "测试法", LegalIDNumber: "n", State: enterprise.StateVerifying, Method: enterprise.MethodBank, Reasons: []string{"x", "y"}, Note: "说明",
			Record: enterprise.Record{Name: "r", Status: "存续", Differs: "legal"}, Calls: 2, Ref: "1-2", Phone: "p", Card: "k", SubmittedAt: noon, DueAt: noon.Add(time.Hour),
			Claimed: "o", ClaimedUntil: noon, Escalated: "p", DecidedBy: "q", DecidedAt: noon, CreatedAt: noon, Version: 1, Pictures: []string{}}
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if _, err := s.Application(ctx, tx, "1"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("an application of nothing: %v", err)
			}
			if err := s.InsertApplication(ctx, tx, a); err != nil {
				return err
			}
			if got, err := s.Application(ctx, tx, "1"); err != nil || !reflect.DeepEqual(got, a) {
				t.Errorf("stored %+v, %v", got, err)
			}
			a.State, a.Phone, a.Card, a.Ref, a.Reasons, a.Record = enterprise.StateChecked, "", "", "", []string{}, enterprise.Record{}
			if err := s.PutApplication(ctx, tx, a); err != nil {
				return err
			}
			if err := s.PutApplication(ctx, tx, a); !errors.Is(err, work.ErrConflict) {
				t.Errorf("an old version: %v", err)
			}
			for _, k := range []string{"letter", "id-back", "letter"} {
				if err := s.PutPicture(ctx, tx, "1", k, []byte("picture of "+k), noon); err != nil {
					return err
				}
			}
			a.Version, a.Pictures = 2, []string{"id-back", "letter"}
			if got, err := s.ApplicationsOf(ctx, tx, "a", 9); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], a) {
				t.Errorf("an account's %+v, %v", got, err)
			}
			if got, err := s.OpenFor(ctx, tx, "c"); err != nil || len(got) != 1 {
				t.Errorf("open for the code %+v, %v", got, err)
			}
			if b, err := s.Picture(ctx, tx, "1", "letter"); err != nil || string(b) != "picture of letter" {
				t.Errorf("picture %q, %v", b, err)
			}
			if err := s.DropPictures(ctx, tx, "1"); err != nil {
				return err
			}
			if _, err := s.Picture(ctx, tx, "1", "letter"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("an erased picture: %v", err)
			}
			return nil
		})
	})
}

func TestAPictureDoesNotOpenInAnotherPlace(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Enterprises(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.PutPicture(ctx, tx, "1", "letter", []byte("picture"), noon); err != nil {
				return err
			}
			for _, x := range []struct{ set, application, kind string }{{"kind = 'licence'", "1", "licence"}, {"application = '2', kind = 'letter'", "2", "letter"}} {
				if _, err := store.Raw(tx).ExecContext(ctx, "UPDATE enterprise_pictures SET "+x.set); err != nil {
					return err
				}
				if b, err := s.Picture(ctx, tx, x.application, x.kind); err == nil {
					t.Errorf("moved by %s it opened as %q", x.set, b)
				}
			}
			return nil
		})
	})
}

func TestTheQueueAndTheDecidedArePaged(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Enterprises(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			for i := range 5 {
				a := enterprise.Application{ID: fmt.Sprint(i), Number: fmt.Sprint(i), State: enterprise.StateReviewing, DueAt: noon.Add(time.Duration(i/2) * time.Hour), Version: 1}
				if i == 4 {
					a.Escalated = "o"
				}
				if i < 2 {
					a.DecidedAt, a.DecidedBy = noon, "o" // given back once, and submitted again
				}
				if err := s.InsertApplication(ctx, tx, a); err != nil {
					return err
				}
			}
			after, got := enterprise.Application{}, ""
			for range 5 {
				page, err := s.Queue(ctx, tx, false, after.DueAt, after.ID, 2)
				if err != nil {
					return err
				}
				for _, a := range page {
					got += a.ID
					after = a
				}
			}
			if got != "0123" {
				t.Errorf("queue %s", got)
			}
			for second, want := range map[bool]int{false: 4, true: 1} {
				if n, err := s.CountQueue(ctx, tx, second); err != nil || n != want {
					t.Errorf("%d in the queue, %v", n, err)
				}
			}
			first, err := s.Decided(ctx, tx, time.Time{}, "", 1)
			if err != nil || len(first) != 1 || first[0].ID != "1" {
				t.Errorf("decided %+v, %v", first, err)
			}
			if next, err := s.Decided(ctx, tx, noon, "1", 9); err != nil || len(next) != 1 || next[0].ID != "0" {
				t.Errorf("decided before %+v, %v", next, err)
			}
			if n, err := s.CountDecided(ctx, tx, noon); err != nil || n != 2 {
				t.Errorf("%d decided, %v", n, err)
			}
			return nil
		})
	})
}

func TestOneEnterprisePerCodeAndEveryVersionOfItsFacts(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Enterprises(st)
		e := enterprise.Enterprise{ID: "e", Name: "测试甲%有限公司", Code: "c", LegalName: "测试法", LegalIDNumber: "n", LegalIDHash: []byte("h"), Administrator: "a",
			Method: enterprise.MethodPhone, VerifiedAt: noon, CreatedAt: noon, Facts: 1, Version: 1}
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			for i, want := range []bool{true, false} {
				x := e
				x.ID = []string{"e", "f"}[i]
				if added, err := s.AddEnterprise(ctx, tx, x, "1"); err != nil || added != want {
					t.Errorf("%d: added %v, %v", i, added, err)
				}
			}
			for _, get := range []func() (enterprise.Enterprise, error){
				func() (enterprise.Enterprise, error) { return s.Enterprise(ctx, tx, "e") },
				func() (enterprise.Enterprise, error) { return s.ByCode(ctx, tx, "c") },
			} {
				if got, err := get(); err != nil || !reflect.DeepEqual(got, e) {
					t.Errorf("stored %+v, %v", got, err)
				}
			}
			e.Name, e.LegalName, e.Facts = "测试乙有限公司", "测试法乙", 2
			if err := s.PutFacts(ctx, tx, e, "2"); err != nil {
				return err
			}
			if err := s.PutFacts(ctx, tx, e, "3"); !errors.Is(err, work.ErrConflict) {
				t.Errorf("an old version: %v", err)
			}
			got, err := s.History(ctx, tx, "e")
			if err != nil || len(got) != 2 || got[0].LegalName != "测试法乙" || got[1].Name != "测试甲%有限公司" || got[1].LegalName != "测试法" {
				t.Errorf("history %+v, %v", got, err)
			}
			for part, want := range map[string]int{"乙": 1, "试乙有": 1, "甲%": 0, "%": 0, "": 0, "测试乙有限公司": 1} {
				if got, err := s.Like(ctx, tx, part, 9); err != nil || len(got) != want {
					t.Errorf("%q: %v, %v", part, got, err)
				}
			}
			return nil
		})
	})
}

// The rarest pair of what is searched for decides how many rows are read.
func TestSearchingReadsFewOfManyEnterprises(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Enterprises(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			for i := range 300 {
				name := "测试科技有限公司" + string([]rune{rune(0x4e00 + i), rune(0x5e00 + i)})
				if _, err := s.AddEnterprise(ctx, tx, enterprise.Enterprise{ID: fmt.Sprintf("%03d", i), Code: fmt.Sprint(i), Name: name, VerifiedAt: noon, Facts: 1, Version: 1}, ""); err != nil {
					return err
				}
			}
			if got, err := s.Like(ctx, tx, "有限公司", 20); err != nil || len(got) != 20 || got[0].ID != "000" {
				t.Errorf("found %d, %v", len(got), err)
			}
			if got, err := s.Like(ctx, tx, "公司"+string([]rune{0x4e00 + 7, 0x5e00 + 7}), 20); err != nil || len(got) != 1 || got[0].ID != "007" {
				t.Errorf("found %v, %v", got, err)
			}
			return nil
		})
	})
}

func TestWhatIsCountedBeginsAnewEachDay(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Enterprises(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			for _, x := range []struct {
				day  int64
				want int
			}{{1, 1}, {1, 2}, {2, 1}} {
				if n, err := s.Count(ctx, tx, "a", "check", x.day); err != nil || n != x.want {
					t.Errorf("count of day %d: %d, %v", x.day, n, err)
				}
			}
			for _, day := range []int64{1, 2, 2} { // of another day, and below nothing
				if err := s.Uncount(ctx, tx, "a", "check", day); err != nil {
					return err
				}
			}
			if n, err := s.Counted(ctx, tx, "a", "check", 2); err != nil || n != 0 {
				t.Errorf("counted %d, %v", n, err)
			}
			if n, err := s.Counted(ctx, tx, "b", "check", 2); err != nil || n != 0 {
				t.Errorf("counted %d of nobody, %v", n, err)
			}
			return nil
		})
	})
}

package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/roaming"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

// mustDo runs f in one transaction and fails the test with its error.
func mustDo(t *testing.T, st *store.Store, f func(ctx context.Context, tx work.Tx) error) {
	t.Helper()
	if err := st.Do(t.Context(), "test", f); err != nil {
		t.Fatal(err)
	}
}

func sampleCertificate(account string) certificate.Certificate {
	n := id.New(rand.Reader)
	return certificate.Certificate{
		ID: n, Holder: certificate.Holder{Kind: certificate.Person, Account: account}, Institution: "CA01", Years: 1,
		Platform: "M1100000034", Order: "o" + n, Line: "l" + n, State: certificate.Pending, CreatedAt: noon, Version: 1,
	}
}

func TestCertificateComesBackAsItWasWritten(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Certificates()
		c := sampleCertificate("a")
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Insert(ctx, tx, c) })

		c.State, c.IssueRef, c.NotBefore, c.NotAfter = certificate.Valid, "ref", noon, noon.AddDate(1, 0, 0)
		c.SignSerial, c.EncSerial, c.SignKey, c.EncKey, c.Device = "0a1", "0b2", "k1", "k2", "d"
		c.KeysLost = true
		c.Reason, c.InstalledAt, c.RevokedAt = "why", noon.Add(time.Second), noon.Add(time.Hour)
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, c) })
		c.Version++
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			for _, get := range []func() (certificate.Certificate, error){
				func() (certificate.Certificate, error) { return s.Get(ctx, tx, c.ID) },
				func() (certificate.Certificate, error) { return s.OfLine(ctx, tx, c.Line) },
			} {
				got, err := get()
				if err != nil {
					return err
				}
				if d := cmp.Diff(c, got); d != "" {
					t.Error(d)
				}
			}
			return nil
		})
	})
}

func TestCertificateStoreRefusesStaleVersionsAndSecondLines(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Certificates()
		c := sampleCertificate("a")
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Insert(ctx, tx, c) })
		err := st.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
			_, err := s.Get(ctx, tx, "absent")
			return err
		})
		if !errors.Is(err, work.ErrNotFound) {
			t.Errorf("absent: %v", err)
		}
		stale := c
		stale.Version = 7
		err = st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, stale) })
		if !errors.Is(err, work.ErrConflict) {
			t.Errorf("stale: %v", err)
		}
		second := sampleCertificate("a")
		second.Line = c.Line
		err = st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Insert(ctx, tx, second) })
		if !errors.Is(err, work.ErrExists) {
			t.Errorf("second record of a line: %v", err)
		}
	})
}

func TestCertificateListFiltersAsTheRuleDerivesStates(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Certificates()
		var all []certificate.Certificate
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			all = nil
			for _, state := range []certificate.State{certificate.Pending, certificate.Valid, certificate.Frozen, certificate.Revoked, certificate.Replaced, certificate.Cancelled} {
				for _, end := range []time.Duration{-time.Millisecond, 0, time.Second} {
					for _, device := range []string{"active", "old", "lost"} {
						c := sampleCertificate("a")
						c.State, c.NotBefore, c.NotAfter, c.Device = state, noon.AddDate(-1, 0, 0), noon.Add(end), device
						if device == "lost" {
							c.Device, c.KeysLost = "active", true
						}
						all = append(all, c)
						if err := s.Insert(ctx, tx, c); err != nil {
							return err
						}
					}
				}
			}
			other := sampleCertificate("b")
			member := sampleCertificate("a")
			member.Holder.Kind, member.Holder.Enterprise = certificate.Enterprise, "e"
			return errors.Join(s.Insert(ctx, tx, other), s.Insert(ctx, tx, member))
		})
		slices.SortFunc(all, func(a, b certificate.Certificate) int { return strings.Compare(b.ID, a.ID) })

		list := func(state certificate.State, before string, n int) (out []certificate.Certificate) {
			t.Helper()
			mustDo(t, st, func(ctx context.Context, tx work.Tx) (err error) {
				out, err = s.List(ctx, tx, certificate.Holder{Kind: certificate.Person, Account: "a"},
					certificate.Selection{State: state, Now: noon, Device: "active"}, before, n)
				return err
			})
			return out
		}
		for _, state := range []certificate.State{"", certificate.Pending, certificate.Valid, certificate.KeyLost, certificate.Frozen, certificate.Expired, certificate.Revoked, certificate.Replaced, certificate.Cancelled} {
			want := []certificate.Certificate{}
			for _, c := range all {
				if state == "" || c.At(noon, "active") == state {
					want = append(want, c)
				}
			}
			if len(want) == 0 {
				t.Fatalf("no sample is %q", state)
			}
			if d := cmp.Diff(want, list(state, "", 100)); d != "" {
				t.Errorf("%q: %s", state, d)
			}
		}
		counts := map[certificate.State]int{}
		for _, c := range all {
			counts[c.At(noon, "active")]++
		}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			got, err := s.Counts(ctx, tx, certificate.Holder{Kind: certificate.Person, Account: "a"}, noon, "active")
			if d := cmp.Diff(counts, got); d != "" {
				t.Error("counts: " + d)
			}
			return err
		})
		var paged []certificate.Certificate
		for before := ""; ; before = paged[len(paged)-1].ID {
			page := list("", before, 5)
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
		}
		if d := cmp.Diff(all, paged); d != "" {
			t.Error("pages: " + d)
		}
	})
}

func TestCertificateListFindsPlatformsBoughtAndRoamed(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		bought, roamed, refunded := sampleCertificate("a"), sampleCertificate("a"), sampleCertificate("a")
		bought.Platform, roamed.Platform, refunded.Platform = "P1", "P2", "P2"
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			for _, c := range []certificate.Certificate{bought, roamed, refunded} {
				if err := st.Certificates().Insert(ctx, tx, c); err != nil {
					return err
				}
			}
			theirs := sampleCertificate("b")
			return errors.Join(st.Certificates().Insert(ctx, tx, theirs),
				st.Roamings().Insert(ctx, tx, roaming.Roaming{ID: "3", Certificate: theirs.ID, Platform: "M1100000034", State: roaming.Open, Version: 1}),
				st.Roamings().Insert(ctx, tx, roaming.Roaming{ID: "1", Certificate: roamed.ID, Platform: "P1", State: roaming.Open, Version: 1}),
				st.Roamings().Insert(ctx, tx, roaming.Roaming{ID: "2", Certificate: refunded.ID, Platform: "P1", State: roaming.Cancelled, Version: 1}))
		})
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			for account, want := range map[string][]string{"a": {"P1", "P2"}, "b": {"M1100000034"}, "c": {}} {
				codes, err := st.Certificates().Platforms(ctx, tx, certificate.Holder{Kind: certificate.Person, Account: account})
				if d := cmp.Diff(want, codes); d != "" || err != nil {
					t.Error(d, err)
				}
			}
			return nil
		})
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			all, err := st.Roamings().OfAccount(ctx, tx, "a")
			if len(all) != 2 || all[0].ID != "1" || all[1].Certificate != refunded.ID {
				t.Errorf("%+v", all)
			}
			return err
		})
		for _, c := range []struct {
			platforms []string
			want      []string
		}{
			{nil, []string{bought.ID, roamed.ID, refunded.ID}},
			{[]string{"P1"}, []string{bought.ID, roamed.ID}},
			{[]string{"P2"}, []string{roamed.ID, refunded.ID}},
			{[]string{"P9", "P1", "P2"}, []string{bought.ID, roamed.ID, refunded.ID}},
			{[]string{"P"}, nil},
			{[]string{}, nil},
		} {
			mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
				list, err := st.Certificates().List(ctx, tx, certificate.Holder{Kind: certificate.Person, Account: "a"},
					certificate.Selection{Platforms: c.platforms, Now: noon}, "", 9)
				var got []string
				for _, c := range list {
					got = append(got, c.ID)
				}
				slices.Sort(got)
				slices.Sort(c.want)
				if !slices.Equal(got, c.want) {
					t.Errorf("%q: %v, want %v", c.platforms, got, c.want)
				}
				return err
			})
		}
	})
}

func TestIssuedCertificatesStay(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Certificates()
		c := sampleCertificate("a")
		var want []certificate.Leaf
		for i, use := range []certificate.Use{certificate.Sign, certificate.Encrypt, certificate.Sign} {
			want = append(want, certificate.Leaf{
				Serial: fmt.Sprint("a", i), Certificate: c.ID, Use: use, Key: fmt.Sprint("k", i), DER: []byte{0x30, 1, byte(i)},
				Chain: [][]byte{{0x30, 1, 7}, {0x30, 2, 8, 9}}, InstalledAt: noon.Add(time.Duration(i/2) * time.Hour),
			})
		}
		want[1].Chain = nil
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.Insert(ctx, tx, c); err != nil {
				return err
			}
			for _, l := range want {
				if err := s.InsertLeaf(ctx, tx, l); err != nil {
					return err
				}
			}
			return s.ReplaceLeaf(ctx, tx, "a0", noon.Add(time.Hour))
		})
		want[0].ReplacedAt = noon.Add(time.Hour)
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			got, err := s.Leaves(ctx, tx, c.ID)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			one, err1 := s.Leaf(ctx, tx, "a0")
			if d := cmp.Diff(want[0], one); d != "" {
				t.Error(d)
			}
			return errors.Join(err, err1)
		})
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.InsertLeaf(ctx, tx, want[0]) })
		if !errors.Is(err, work.ErrExists) {
			t.Errorf("a serial number twice: %v", err)
		}
	})
}

func TestCertificatesOfAnEnterpriseAreItsMembersOrEverybodys(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Certificates()
		put := func(acc, in, device, platform string) {
			c := sampleCertificate(acc)
			c.State, c.NotAfter, c.Device, c.Platform = certificate.Valid, noon.AddDate(1, 0, 0), device, platform
			if in != "" {
				c.Holder = certificate.Holder{Kind: certificate.Enterprise, Account: acc, Enterprise: in}
			}
			mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Insert(ctx, tx, c) })
		}
		for _, acc := range []string{"a", "b"} { // the active device of each is named like him
			mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
				_, err := people.Accounts(st).Register(ctx, tx, account.Account{ID: acc, Phone: "1", PhoneHash: []byte(acc), Device: acc, CreatedAt: noon, Version: 1})
				return err
			})
		}
		put("a", "", "a", "P1")
		put("a", "e", "a", "P1")
		put("b", "e", "b", "P2")
		put("b", "e", "lost", "P3")
		put("b", "f", "b", "P4")
		for name, x := range map[string]struct {
			h      certificate.Holder
			device string
			all    int
			valid  int
			on     string
		}{
			"person":       {certificate.Holder{Kind: certificate.Person, Account: "a"}, "a", 1, 1, "P1"},
			"member":       {certificate.Holder{Kind: certificate.Enterprise, Account: "b", Enterprise: "e"}, "b", 2, 1, "P2 P3"},
			"everybody":    {certificate.Holder{Kind: certificate.Enterprise, Enterprise: "e"}, "", 3, 2, "P1 P2 P3"},
			"nobody":       {certificate.Holder{Kind: certificate.Person}, "", 0, 0, ""},
			"no one's own": {certificate.Holder{Kind: certificate.Enterprise}, "", 0, 0, ""},
		} {
			mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
				all, err := s.List(ctx, tx, x.h, certificate.Selection{Now: noon, Device: x.device}, "", 10)
				if err != nil {
					return err
				}
				valid, err := s.List(ctx, tx, x.h, certificate.Selection{Now: noon, Device: x.device, State: certificate.Valid}, "", 10)
				if err != nil {
					return err
				}
				counts, err := s.Counts(ctx, tx, x.h, noon, x.device)
				if err != nil {
					return err
				}
				on, err := s.Platforms(ctx, tx, x.h)
				if len(all) != x.all || len(valid) != x.valid || counts[certificate.Valid] != x.valid || strings.Join(on, " ") != x.on {
					t.Errorf("%s: %d of which %d valid (counted %v) on %v, want %d, %d, %s", name, len(all), len(valid), counts, on, x.all, x.valid, x.on)
				}
				return err
			})
		}
	})
}

package certificate_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const owner = "0190owner"

// desk is a service on one engine, with one movable active device.
type desk struct {
	*testing.T
	*certificate.Service
	st     *store.Store
	clock  *clock.Manual
	device string
}

func (d *desk) ActiveDevice(context.Context, work.Tx, string) (string, error) { return d.device, nil }

// Platform names a platform after its code.
func (d *desk) Platform(_ context.Context, _ work.Tx, code string) (catalog.Platform, error) {
	return catalog.Platform{Code: code, Name: "示例Trading平台" + code}, nil
}

func each(t *testing.T, f func(d *desk)) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		c.Advance(noon.Sub(c.Now()))
		d := &desk{T: t, st: st, clock: c, device: "d1"}
		d.Service = certificate.New(certificate.Deps{Store: st.Certificates(), Runner: st, Clock: c, Rand: rand.Reader, Devices: d, Directory: d})
		f(d)
	})
}

func (d *desk) try(f func(context.Context, work.Tx) error) error {
	return d.st.Do(d.Context(), "test", f)
}

func (d *desk) do(f func(context.Context, work.Tx) error) {
	d.Helper()
	if err := d.try(f); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) pending(line string) (c certificate.Certificate) {
	d.Helper()
	d.do(func(ctx context.Context, tx work.Tx) (err error) {
		c, err = d.Create(ctx, tx, certificate.Draft{
			Holder: certificate.Holder{Kind: certificate.Person, Account: owner}, Institution: "010001", Years: 2,
			Platform: "M1100000034", Order: "o-" + line, Line: line,
		})
		return err
	})
	return c
}

func (d *desk) begin(id, ref string) (c certificate.Certificate, err error) {
	err = d.try(func(ctx context.Context, tx work.Tx) (err error) {
		c, err = d.BeginIssue(ctx, tx, owner, id, ref)
		return err
	})
	return c, err
}

func (d *desk) installed(id string, in certificate.Installed) error {
	return d.try(func(ctx context.Context, tx work.Tx) error {
		_, err := d.Installed(ctx, tx, id, in)
		return err
	})
}

func outcome(c certificate.Certificate, ref string) certificate.Installed {
	return certificate.Installed{
		Ref: ref, SignSerial: "a1" + c.ID, EncSerial: "b1" + c.ID, SignKey: "k1", EncKey: "k2", NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Device: "d1", SignDER: []byte{0x30, 0}, EncDER: []byte{0x30, 1, 0}, Chain: [][]byte{{0x30, 0}},
	}
}

// valid is an installed certificate.
func (d *desk) valid(line string) certificate.Certificate {
	d.Helper()
	c, err := d.begin(d.pending(line).ID, "i-"+line)
	if err == nil {
		err = d.installed(c.ID, outcome(c, "i-"+line))
	}
	if err != nil {
		d.Fatal(err)
	}
	return d.find(c.ID)
}

func (d *desk) find(id string) (c certificate.Certificate) {
	d.Helper()
	d.do(func(ctx context.Context, tx work.Tx) (err error) {
		c, err = d.Get(ctx, tx, owner, id)
		return err
	})
	return c
}

func TestLineHasOneCertificate(t *testing.T) {
	each(t, func(d *desk) {
		a, b := d.pending("l1"), d.pending("l1")
		if diff := cmp.Diff(a, b); diff != "" {
			d.Fatal(diff)
		}
	})
}

func TestInstallationFixesTheValidityOnce(t *testing.T) {
	each(t, func(d *desk) {
		d.clock.Advance(123 * time.Millisecond)
		p := d.pending("l1")
		first, err := d.begin(p.ID, "i1")
		if err != nil || !first.NotBefore.Equal(noon) || !first.NotAfter.Equal(noon.AddDate(2, 0, 0)) {
			d.Fatalf("%+v, %v", first, err)
		}
		d.clock.Advance(time.Hour)
		again, err := d.begin(p.ID, "i1")
		if diff := cmp.Diff(first, again); diff != "" || err != nil {
			d.Fatal(diff, err)
		}
		if _, err := d.begin(p.ID, "i2"); !errors.Is(err, certificate.CodeIssuing) {
			d.Fatalf("a second installation: %v", err)
		}
		for name, spoil := range map[string]func(in *certificate.Installed){
			"another installation": func(in *certificate.Installed) { in.Ref = "i2" },
			"starts earlier":       func(in *certificate.Installed) { in.NotBefore = in.NotBefore.Add(-time.Second) },
			"ends later":           func(in *certificate.Installed) { in.NotAfter = in.NotAfter.Add(time.Second) },
			"ends before it began": func(in *certificate.Installed) { in.NotAfter = in.NotBefore },
		} {
			in := outcome(first, "i1")
			spoil(&in)
			if err := d.installed(p.ID, in); err == nil {
				d.Fatalf("%s: accepted", name)
			}
		}
		for range 2 {
			if err := d.installed(p.ID, outcome(first, "i1")); err != nil {
				d.Fatal(err)
			}
		}
		c := d.find(p.ID)
		if c.State != certificate.Valid || c.IssueRef != "" || c.Device != "d1" || !c.InstalledAt.Equal(d.clock.Now()) {
			d.Fatalf("%+v", c)
		}
		d.do(func(ctx context.Context, tx work.Tx) error {
			l, of, err := d.BySerial(ctx, tx, c.EncSerial)
			if err != nil || l.Use != certificate.Encrypt || l.Key != "k2" || of.ID != c.ID || of.State != certificate.Valid {
				d.Errorf("%+v, %+v, %v", l, of, err)
			}
			if _, _, err := d.BySerial(ctx, tx, "ff"); !errors.Is(err, certificate.CodeNotFound) {
				d.Errorf("unknown serial: %v", err)
			}
			return nil
		})
	})
}

func TestAbandonedIssuanceCanBeginAgain(t *testing.T) {
	each(t, func(d *desk) {
		p := d.pending("l1")
		if _, err := d.begin(p.ID, "i1"); err != nil {
			d.Fatal(err)
		}
		d.do(func(ctx context.Context, tx work.Tx) error { return d.AbandonIssue(ctx, tx, p.ID, "other") })
		if _, err := d.begin(p.ID, "i2"); !errors.Is(err, certificate.CodeIssuing) {
			d.Fatal(err)
		}
		for range 2 {
			d.do(func(ctx context.Context, tx work.Tx) error { return d.AbandonIssue(ctx, tx, p.ID, "i1") })
		}
		if c, err := d.begin(p.ID, "i2"); err != nil || c.State != certificate.Pending {
			d.Fatalf("%+v, %v", c, err)
		}
	})
}

func TestRekeyKeepsTheEndDateAndTheOldCertificate(t *testing.T) {
	each(t, func(d *desk) {
		c := d.valid("l1")
		d.device = "d2"
		if got := d.find(c.ID); got.State != certificate.KeyLost {
			d.Fatalf("after the device changed: %s", got.State)
		}
		begun, err := d.begin(c.ID, "r1")
		if err != nil || !begun.NotAfter.Equal(c.NotAfter) || !begun.NotBefore.Equal(c.NotBefore) {
			d.Fatalf("%+v, %v", begun, err)
		}
		in := certificate.Replacement{Ref: "r1", SignSerial: "c3", SignKey: "k3", NotAfter: c.NotAfter, Device: "d2", SignDER: []byte{0x30, 0}}
		replace := func(in certificate.Replacement) error {
			return d.try(func(ctx context.Context, tx work.Tx) error {
				_, err := d.Replace(ctx, tx, c.ID, in)
				return err
			})
		}
		later, other := in, in
		later.NotAfter, other.Ref = c.NotAfter.Add(time.Second), "r2"
		if err := replace(later); !errors.Is(err, certificate.CodeEndDate) {
			d.Fatalf("another end date: %v", err)
		}
		if err := replace(other); !errors.Is(err, certificate.CodeNotValid) {
			d.Fatalf("another re-key: %v", err)
		}
		for range 2 {
			if err := replace(in); err != nil {
				d.Fatal(err)
			}
		}
		got := d.find(c.ID)
		if got.State != certificate.Valid || got.SignSerial != "c3" || got.SignKey != "k3" || got.EncSerial != c.EncSerial || got.EncKey != c.EncKey {
			d.Fatalf("%+v", got)
		}
		d.do(func(ctx context.Context, tx work.Tx) error {
			all, err := d.Leaves(ctx, tx, c.ID)
			if err != nil || len(all) != 3 || all[0].Serial != c.SignSerial || !all[0].ReplacedAt.Equal(noon) || !all[1].ReplacedAt.IsZero() {
				d.Errorf("%+v, %v", all, err)
			}
			return nil
		})
	})
}

func TestRevokedIsTheEnd(t *testing.T) {
	each(t, func(d *desk) {
		c := d.valid("l1")
		if _, err := d.begin(c.ID, "r1"); err != nil {
			d.Fatal(err)
		}
		for range 2 {
			d.do(func(ctx context.Context, tx work.Tx) error {
				_, err := d.Revoked(ctx, tx, c.ID, owner, "keyCompromise")
				return err
			})
		}
		if got := d.find(c.ID); got.State != certificate.Revoked || got.Reason != "keyCompromise" || !got.RevokedAt.Equal(noon) {
			d.Fatalf("%+v", got)
		}
		for name, move := range map[string]func(ctx context.Context, tx work.Tx) error{
			"replace": func(ctx context.Context, tx work.Tx) error {
				_, err := d.Replace(ctx, tx, c.ID, certificate.Replacement{Ref: "r1", SignSerial: "c3", NotAfter: c.NotAfter})
				return err
			},
			"freeze": func(ctx context.Context, tx work.Tx) error {
				_, err := d.Freeze(ctx, tx, c.ID, owner, "")
				return err
			},
			"issue": func(ctx context.Context, tx work.Tx) error {
				_, err := d.BeginIssue(ctx, tx, owner, c.ID, "r2")
				return err
			},
		} {
			if err := d.try(move); !errors.Is(err, certificate.CodeRevoked) && !errors.Is(err, certificate.CodeIssuing) {
				d.Errorf("%s: %v", name, err)
			}
		}
		p := d.pending("l2")
		err := d.try(func(ctx context.Context, tx work.Tx) error {
			_, err := d.Revoked(ctx, tx, p.ID, owner, "")
			return err
		})
		if !errors.Is(err, certificate.CodeNotValid) {
			d.Errorf("revoking what was not issued: %v", err)
		}
	})
}

func TestFrozenCertificateCannotBeUsedUntilItIsUnfrozen(t *testing.T) {
	each(t, func(d *desk) {
		c := d.valid("l1")
		for range 2 {
			d.do(func(ctx context.Context, tx work.Tx) error {
				_, err := d.Freeze(ctx, tx, c.ID, "system", "loss")
				return err
			})
		}
		if got := d.find(c.ID); got.State != certificate.Frozen || len(d.usable()) != 0 {
			d.Fatalf("%s, usable %v", got.State, d.usable())
		}
		for range 2 {
			d.do(func(ctx context.Context, tx work.Tx) error {
				_, err := d.Unfreeze(ctx, tx, c.ID, "system")
				return err
			})
		}
		if got := d.usable(); !slices.Equal(got, []string{c.ID}) {
			d.Fatal(got)
		}
	})
}

func (d *desk) usable() (ids []string) {
	d.Helper()
	d.do(func(ctx context.Context, tx work.Tx) error {
		all, err := d.Usable(ctx, tx, owner)
		ids = nil
		for _, c := range all {
			ids = append(ids, c.ID)
		}
		return err
	})
	return ids
}

func TestUsableIsValidHereAndNow(t *testing.T) {
	each(t, func(d *desk) {
		d.pending("l1")
		c := d.valid("l2")
		if got := d.usable(); !slices.Equal(got, []string{c.ID}) {
			d.Fatal(got)
		}
		d.device = "d2"
		if got := d.usable(); len(got) != 0 {
			d.Fatalf("on another device: %v", got)
		}
		d.device = "d1"
		d.clock.Advance(c.NotAfter.Sub(noon))
		if got := d.usable(); len(got) != 1 {
			d.Fatalf("in the last second: %v", got)
		}
		d.clock.Advance(time.Millisecond)
		if got := d.usable(); len(got) != 0 || d.find(c.ID).State != certificate.Expired {
			d.Fatalf("after the end: %v", got)
		}
		if _, err := d.begin(c.ID, "r1"); !errors.Is(err, certificate.CodeExpired) {
			d.Fatalf("re-keying an expired certificate: %v", err)
		}
	})
}

func TestRefundedLineIsNeverInstalled(t *testing.T) {
	each(t, func(d *desk) {
		cancel := func(line string) error {
			return d.try(func(ctx context.Context, tx work.Tx) error { return d.CancelLine(ctx, tx, line) })
		}
		if err := cancel("unknown"); err != nil {
			d.Fatal(err)
		}
		p := d.pending("l1")
		for range 2 {
			if err := cancel("l1"); err != nil {
				d.Fatal(err)
			}
		}
		if _, err := d.begin(p.ID, "i1"); !errors.Is(err, certificate.CodeCancelled) {
			d.Fatalf("begin: %v", err)
		}
		if err := d.installed(p.ID, outcome(p, "i1")); !errors.Is(err, certificate.CodeCancelled) {
			d.Fatalf("installed: %v", err)
		}
		d.valid("l2")
		if err := cancel("l2"); !errors.Is(err, certificate.CodeNotPending) {
			d.Fatalf("cancelling what was installed: %v", err)
		}
		d.do(func(ctx context.Context, tx work.Tx) error {
			held, err := d.Held(ctx, tx, owner)
			if len(held) != 1 {
				d.Errorf("held %+v", held)
			}
			return err
		})
	})
}

func TestCertificatesAreTheirHoldersAlone(t *testing.T) {
	each(t, func(d *desk) {
		c := d.valid("l1")
		for name, look := range map[string]func(ctx context.Context, tx work.Tx) error{
			"get": func(ctx context.Context, tx work.Tx) error { _, err := d.Get(ctx, tx, "stranger", c.ID); return err },
			"issue": func(ctx context.Context, tx work.Tx) error {
				_, err := d.BeginIssue(ctx, tx, "stranger", c.ID, "i")
				return err
			},
			"absent": func(ctx context.Context, tx work.Tx) error { _, err := d.Find(ctx, tx, "absent"); return err },
		} {
			if err := d.try(look); !errors.Is(err, certificate.CodeNotFound) {
				d.Errorf("%s: %v", name, err)
			}
		}
		page, err := d.List(d.Context(), account.Scope{Account: "stranger"}, certificate.Filter{}, "")
		if err != nil || len(page.Certificates) != 0 {
			d.Errorf("list: %+v, %v", page, err)
		}
	})
}

func TestListIsPaged(t *testing.T) {
	each(t, func(d *desk) {
		for i := range certificate.PageSize + 3 {
			d.pending(string(rune('A' + i)))
		}
		first, err := d.List(d.Context(), account.Scope{Account: owner}, certificate.Filter{}, "")
		if err != nil || len(first.Certificates) != certificate.PageSize || first.Next == "" {
			d.Fatalf("%d, %q, %v", len(first.Certificates), first.Next, err)
		}
		rest, err := d.List(d.Context(), account.Scope{Account: owner}, certificate.Filter{}, first.Next)
		if err != nil || len(rest.Certificates) != 3 || rest.Next != "" || rest.Certificates[0].ID >= first.Next {
			d.Fatalf("%d, %q, %v", len(rest.Certificates), rest.Next, err)
		}
	})
}

func TestListIsSearchedByThePlatformsName(t *testing.T) {
	each(t, func(d *desk) {
		d.pending("l1")
		for part, want := range map[string]int{"": 1, "示例": 1, "trading平台m11": 1, "M1100000034": 1, "别的": 0} {
			page, err := d.List(d.Context(), account.Scope{Account: owner}, certificate.Filter{Platform: part}, "")
			if err != nil || len(page.Certificates) != want {
				d.Errorf("%q: %d found, %v", part, len(page.Certificates), err)
			}
		}
	})
}

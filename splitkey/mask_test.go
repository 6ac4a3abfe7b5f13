package splitkey

import (
	"bytes"
	"crypto/rand"
	"testing"
)

func TestMaskDependsOnEverythingItNames(t *testing.T) {
	phone, _ := newKey(t)
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	right := stretches()[ownerPIN]
	for name, got := range map[string]*Secret{
		"PIN":     must(stretches()[newPIN].Unmask("device", rec)),
		"device":  must(right.Unmask("device-2", rec)),
		"salt":    must(right.Unmask("device", with(rec, func(r *Record) { r.Salt = bytes.Repeat([]byte{1}, 32) }))),
		"key ID":  must(right.Unmask("device", with(rec, func(r *Record) { r.KeyID = "key-2" }))),
		"purpose": must(right.Unmask("device", with(rec, func(r *Record) { r.Purpose = PurposePIN }))),
		"device salt": must(must(Stretch([]byte("493831"), bytes.Repeat([]byte{9}, 32), pepper)).
			Unmask("device", rec)),
		"pepper": must(must(Stretch([]byte("493831"), deviceSalt, bytes.Repeat([]byte{9}, 32))).
			Unmask("device", rec)),
	} {
		if got.Equal(phone.d1) {
			t.Errorf("the mask does not depend on the %s", name)
		}
	}
	if !must(right.Unmask("device", rec)).Equal(phone.d1) {
		t.Fatal("the right PIN gives another share")
	}
}

func with(r Record, change func(*Record)) Record { change(&r); return r }

func TestEveryMaskingTakesAFreshSalt(t *testing.T) {
	phone, _ := newKey(t)
	one := maskWith(t, 1, PurposeSign, "key-1", phone.p, phone.d1)
	two := maskWith(t, 1, PurposeSign, "key-1", phone.p, phone.d1)
	if bytes.Equal(one.Salt, two.Salt) || bytes.Equal(one.Masked, two.Masked) {
		t.Fatal("two maskings share a salt")
	}
}

func TestDamagedRecordIsFoundWithoutThePIN(t *testing.T) {
	phone, _ := newKey(t)
	rec := maskWith(t, 1, PurposeSign, "key-1", phone.p, phone.d1)
	if err := rec.Check(); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]Record{
		"no key ID":      with(rec, func(r *Record) { r.KeyID = "" }),
		"short salt":     with(rec, func(r *Record) { r.Salt = r.Salt[:31] }),
		"short c":        with(rec, func(r *Record) { r.Masked = r.Masked[:31] }),
		"c not reduced":  with(rec, func(r *Record) { r.Masked = bytes.Repeat([]byte{0xff}, 32) }),
		"no public key":  with(rec, func(r *Record) { r.PublicKey = nil }),
		"half a point":   with(rec, func(r *Record) { r.PublicKey = r.PublicKey[:33] }),
		"nothing at all": {},
	} {
		wantError(t, name, bad.Check(), ErrMalformed)
		_, err := stretches()[1].Unmask("device", bad)
		wantError(t, name, err, ErrMalformed)
	}
	_, err := stretches()[1].Unmask("device", with(rec, func(r *Record) { r.Purpose = "login" }))
	wantError(t, "unknown purpose", err, ErrMalformed)
}

func TestStretchRefusesShortInputs(t *testing.T) {
	for name, err := range map[string]error{
		"no PIN":       second(Stretch(nil, deviceSalt, pepper)),
		"long PIN":     second(Stretch(make([]byte, 65), deviceSalt, pepper)),
		"short salt":   second(Stretch([]byte("493817"), deviceSalt[:31], pepper)),
		"short pepper": second(Stretch([]byte("493817"), deviceSalt, pepper[:31])),
		"no pepper":    second(Stretch([]byte("493817"), deviceSalt, nil)),
	} {
		wantError(t, name, err, ErrMalformed)
	}
	s := must(Stretch([]byte("493817"), deviceSalt, pepper))
	s.Wipe()
	_, err := s.Mask(rand.Reader, "device", PurposeSign, "key-1", generator().bytes(), &Secret{s: scalar{31: 1}})
	wantError(t, "a wiped stretch", err, ErrSpent)
}

// The one share that unmasks to zero is replaced, so that its PIN stands out
// neither.
func TestUnmaskingToZeroIsNoError(t *testing.T) {
	phone, _ := newKey(t)
	rec := maskWith(t, 1, PurposeSign, "key-1", phone.p, phone.d1)
	f := must(stretches()[2].mask("device", PurposeSign, "key-1", rec.Salt))
	rec.Masked = f[:]
	if _, err := stretches()[2].Unmask("device", rec); err != nil {
		t.Fatal(err)
	}
}

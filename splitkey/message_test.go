package splitkey

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func sampleLogin() LoginMessage {
	return LoginMessage{Platform: "M1100000034", Host: "bid.example.cn", Transaction: "M110000003458be5bb800ad450e99a26537ca2d1850",
		Challenge: bytes.Repeat([]byte{1}, 32), Browser: bytes.Repeat([]byte{2}, 32), Time: 1_800_000_000}
}

func sampleEncrypt() EncryptMessage {
	return EncryptMessage{CertSerial: "3B9ACA00", Platform: "M1100000034", Tender: "标段一", FileName: "投标文件.zip",
		Size: 200 << 20, Digest: bytes.Repeat([]byte{3}, 32)}
}

func sampleConfirm() ConfirmMessage {
	return ConfirmMessage{ID: IDPIN, Account: "account-1", Device: []byte("device-1"), Purpose: "revoke",
		Object: bytes.Repeat([]byte{4}, 32), KeyIDs: []string{"key-1", "key-2"}, ServerNonce: bytes.Repeat([]byte{5}, 16)}
}

func sampleStatement() ModuleStatement {
	return ModuleStatement{Kid: "kid-1", Key: generator().bytes(), From: 1_800_000_000, To: 1_800_604_800}
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	if got := must(ParseLoginMessage(must(sampleLogin().Bytes()))); !reflect.DeepEqual(got, sampleLogin()) {
		t.Errorf("login: %+v", got)
	}
	if got := must(ParseEncryptMessage(must(sampleEncrypt().Bytes()))); !reflect.DeepEqual(got, sampleEncrypt()) {
		t.Errorf("encrypt: %+v", got)
	}
	for _, id := range []string{IDPIN, IDRefresh, IDTrial, IDTakeover} {
		m := sampleConfirm()
		m.ID = id
		if got := must(ParseConfirmMessage(must(m.Bytes()))); !reflect.DeepEqual(got, m) {
			t.Errorf("confirm: %+v", got)
		}
		if MessageID(must(m.Bytes())) != id {
			t.Errorf("%s is not known by its tag", id)
		}
	}
	m := sampleConfirm()
	m.KeyIDs = nil
	if got := must(ParseConfirmMessage(must(m.Bytes()))); !reflect.DeepEqual(got, m) {
		t.Errorf("without keys: %+v", got)
	}
	if got := must(ParseModuleStatement(must(sampleStatement().Bytes()))); !reflect.DeepEqual(got, sampleStatement()) {
		t.Errorf("statement: %+v", got)
	}
}

// The layout is frozen: platforms and phones in the field compute it too.
func TestLoginLayoutIsTagAndSixPrefixedFields(t *testing.T) {
	m := sampleLogin()
	var want []byte
	for _, f := range [][]byte{[]byte("TWT/login/v1"), []byte(m.Platform), []byte(m.Host), []byte(m.Transaction), m.Challenge, m.Browser,
		binary.BigEndian.AppendUint64(nil, uint64(m.Time))} {
		want = append(binary.BigEndian.AppendUint32(want, uint32(len(f))), f...)
	}
	if got := must(m.Bytes()); !bytes.Equal(got, want) {
		t.Fatalf("got %x\nwant %x", got, want)
	}
}

func TestBadFieldsAreRefusedWhenBuilding(t *testing.T) {
	login := func(change func(*LoginMessage)) error {
		m := sampleLogin()
		change(&m)
		_, err := m.Bytes()
		return err
	}
	encrypt := func(change func(*EncryptMessage)) error {
		m := sampleEncrypt()
		change(&m)
		_, err := m.Bytes()
		return err
	}
	confirm := func(change func(*ConfirmMessage)) error {
		m := sampleConfirm()
		change(&m)
		_, err := m.Bytes()
		return err
	}
	statement := func(change func(*ModuleStatement)) error {
		m := sampleStatement()
		change(&m)
		_, err := m.Bytes()
		return err
	}
	for name, err := range map[string]error{
		"empty platform":       login(func(m *LoginMessage) { m.Platform = "" }),
		"line break in host":   login(func(m *LoginMessage) { m.Host = "a\nb" }),
		"not UTF-8":            login(func(m *LoginMessage) { m.Transaction = "\xff" }),
		"short challenge":      login(func(m *LoginMessage) { m.Challenge = make([]byte, 15) }),
		"long challenge":       login(func(m *LoginMessage) { m.Challenge = make([]byte, 65) }),
		"short browser":        login(func(m *LoginMessage) { m.Browser = make([]byte, 31) }),
		"before 1970":          login(func(m *LoginMessage) { m.Time = -1 }),
		"reversed file name":   encrypt(func(m *EncryptMessage) { m.FileName = "a\u202egnp.exe" }),
		"lower-case serial":    encrypt(func(m *EncryptMessage) { m.CertSerial = "3b9a" }),
		"negative size":        encrypt(func(m *EncryptMessage) { m.Size = -1 }),
		"long name":            encrypt(func(m *EncryptMessage) { m.FileName = strings.Repeat("长", 400) }),
		"document ID":          confirm(func(m *ConfirmMessage) { m.ID = IDDocument }),
		"login ID":             confirm(func(m *ConfirmMessage) { m.ID = IDLogin }),
		"no device":            confirm(func(m *ConfirmMessage) { m.Device = nil }),
		"key twice":            confirm(func(m *ConfirmMessage) { m.KeyIDs = []string{"k", "k"} }),
		"empty key ID":         confirm(func(m *ConfirmMessage) { m.KeyIDs = []string{""} }),
		"too many keys":        confirm(func(m *ConfirmMessage) { m.KeyIDs = make([]string, maxKeys+1) }),
		"short server nonce":   confirm(func(m *ConfirmMessage) { m.ServerNonce = make([]byte, 15) }),
		"object is no digest":  confirm(func(m *ConfirmMessage) { m.Object = []byte("revoke") }),
		"key off the curve":    statement(func(m *ModuleStatement) { m.Key = make([]byte, 65) }),
		"ends before it began": statement(func(m *ModuleStatement) { m.To = m.From }),
	} {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAlteredEncodingsAreRefused(t *testing.T) {
	m := must(sampleLogin().Bytes())
	parse := func(b []byte) error { _, err := ParseLoginMessage(b); return err }
	for name, b := range map[string][]byte{
		"empty":          nil,
		"cut":            m[:len(m)-1],
		"one byte more":  append(bytes.Clone(m), 0),
		"a field more":   append(bytes.Clone(m), 0, 0, 0, 0),
		"length too big": append([]byte{0xff, 0xff, 0xff, 0xff}, m[4:]...),
		"another tag":    must(sampleEncrypt().Bytes()),
	} {
		if err := parse(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if MessageID(m[1:]) != "" || MessageID(nil) != "" {
		t.Error("an ID is seen where none is")
	}
}

func TestModuleKeyIsValidFromUntil(t *testing.T) {
	m := sampleStatement()
	for now, want := range map[int64]bool{m.From - 1: false, m.From: true, m.To - 1: true, m.To: false} {
		if m.ValidAt(now) != want {
			t.Errorf("at %d: %v", now, !want)
		}
	}
}

func TestDocumentsThatMeanSomethingElseAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":             {},
		"too large":         make([]byte, MaxMessage+1),
		"DER":               {0x31, 0x02, 0x05, 0x00},
		"encrypt message":   must(sampleEncrypt().Bytes()),
		"module statement":  must(sampleStatement().Bytes()),
		"message and bytes": append(must(sampleLogin().Bytes()), "junk"...),
	} {
		wantError(t, name, CheckDocument(b), ErrDocument)
	}
	for _, text := range []string{"a letter", "1. 投标函", "%PDF-1.7", string(make([]byte, MaxMessage))} {
		if err := CheckDocument([]byte(text)); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

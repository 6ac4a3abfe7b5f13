package pki_test

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

func requestInfo(t testing.TB) pki.RequestInfo {
	return pki.RequestInfo{
		Subject:       pki.Name{Country: "CN", CommonName: "张三", Serial: "P-0001"},
		PublicKey:     &pkitest.Key(t).PublicKey,
		EnrolmentID:   "enr-0001",
		EnrolmentKey:  bytes.Repeat([]byte{7}, 32),
		EncryptionKey: &pkitest.Key(t).PublicKey,
	}
}

func TestARequestGoesThroughTwoPhasesAndOpenSSLVerifiesIt(t *testing.T) {
	var arc pki.Arc
	key := pkitest.Key(t)
	for _, withPe := range []bool{true, false} {
		info := requestInfo(t)
		info.PublicKey = &key.PublicKey
		if !withPe {
			info.EncryptionKey = nil
		}
		tbs, err := info.Marshal(arc)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := pki.ParseRequestInfo(arc, tbs)
		if err != nil || seen.Subject != info.Subject || seen.EnrolmentID != info.EnrolmentID {
			t.Fatalf("the phone reads %+v, %v", seen, err)
		}
		der, err := pki.AssembleRequest(arc, tbs, pkitest.Sign(t, key, tbs))
		if err != nil {
			t.Fatal(err)
		}
		q, err := pki.ParseRequest(arc, der)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Matches(info); err != nil {
			t.Error(err)
		}
		if _, err := smx509.ParseCertificateRequest(der); err != nil {
			t.Errorf("smx509: %v", err)
		}
		out := pkitest.OpenSSL(t, "req", "-in", pkitest.File(t, "r.der", der), "-inform", "DER", "-noout", "-verify", "-vfyopt", "distid:1234567812345678", "-text")
		if !strings.Contains(out, "verify OK") || !strings.Contains(out, "enr-0001") {
			t.Error(out)
		}
	}
}

func TestARequestOfAnotherEnrolmentIsNoticed(t *testing.T) {
	key := pkitest.Key(t)
	info := requestInfo(t)
	info.PublicKey = &key.PublicKey
	tbs, err := info.Marshal(pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	der, err := pki.AssembleRequest(pki.Arc{}, tbs, pkitest.Sign(t, key, tbs))
	if err != nil {
		t.Fatal(err)
	}
	q, err := pki.ParseRequest(pki.Arc{}, der)
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]func(*pki.RequestInfo){
		"public key":     func(r *pki.RequestInfo) { r.PublicKey = &pkitest.Key(t).PublicKey },
		"enrolment ID":   func(r *pki.RequestInfo) { r.EnrolmentID = "enr-0002" },
		"enrolment key":  func(r *pki.RequestInfo) { r.EnrolmentKey = make([]byte, 32) },
		"encryption key": func(r *pki.RequestInfo) { r.EncryptionKey = nil },
	} {
		want := info
		other(&want)
		if err := q.Matches(want); !errors.Is(err, pki.ErrRequest) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARequestIsNotAssembledWithoutProofOfTheKey(t *testing.T) {
	info := requestInfo(t)
	tbs, err := info.Marshal(pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.AssembleRequest(pki.Arc{}, tbs, pkitest.Sign(t, pkitest.Key(t), tbs)); !errors.Is(err, pki.ErrSignature) {
		t.Error(err)
	}
}

func TestAPlatformMayMakeItsRequestWithOpenSSL(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.pem")
	pkitest.OpenSSL(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2", "-pkeyopt", "ec_param_enc:named_curve", "-out", key)
	out := filepath.Join(t.TempDir(), "req.der")
	pkitest.OpenSSL(t, "req", "-new", "-key", key, "-sm3", "-sigopt", "distid:1234567812345678", "-subj", "/O=Example Platform/CN=M1100000034", "-outform", "DER", "-out", out)
	der, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	q, err := pki.ParseRequest(pki.Arc{}, der)
	if err != nil {
		t.Fatal(err)
	}
	if q.Subject.CommonName != "M1100000034" || q.EnrolmentID != "" || q.EncryptionKey != nil {
		t.Errorf("%+v", q)
	}
}

func TestARequestWithAnUnknownOrRepeatedAttributeIsRefused(t *testing.T) {
	key := pkitest.Key(t)
	info := requestInfo(t)
	info.PublicKey = &key.PublicKey
	tbs, err := info.Marshal(pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.ParseArc("1.2.3.4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ParseRequestInfo(other, tbs); !errors.Is(err, pki.ErrRequest) {
		t.Errorf("attributes of another arc: %v", err)
	}
	var in struct {
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes []asn1.RawValue `asn1:"set,tag:0"`
	}
	if _, err := asn1.Unmarshal(tbs, &in); err != nil {
		t.Fatal(err)
	}
	in.Attributes = append(in.Attributes, in.Attributes[0])
	twice, err := asn1.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ParseRequestInfo(pki.Arc{}, twice); !errors.Is(err, pki.ErrRequest) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice: %v", err)
	}
}

func TestARequestWithoutItsEnrolmentIsNotWritten(t *testing.T) {
	for name, breakIt := range map[string]func(*pki.RequestInfo){
		"no key":             func(r *pki.RequestInfo) { r.PublicKey = nil },
		"no enrolment ID":    func(r *pki.RequestInfo) { r.EnrolmentID = "" },
		"enrolment ID":       func(r *pki.RequestInfo) { r.EnrolmentID = "号" },
		"long enrolment ID":  func(r *pki.RequestInfo) { r.EnrolmentID = strings.Repeat("a", 65) },
		"short enrolmentkey": func(r *pki.RequestInfo) { r.EnrolmentKey = r.EnrolmentKey[1:] },
	} {
		r := requestInfo(t)
		breakIt(&r)
		if _, err := r.Marshal(pki.Arc{}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

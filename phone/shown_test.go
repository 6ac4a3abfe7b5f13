package phone

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/splitkey"
)

// against opens a phone on a server that answers path by path.
func against(t *testing.T, answers map[string]any) *Phone {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	p, err := New(Options{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asked(change func(scan, document, platform map[string]any)) map[string]any {
	d := sm3.Sum([]byte("bid A 100"))
	document := map[string]any{"name": "a", "size": 9, "digest": d[:]}
	platform := map[string]any{"code": "D1", "name": "平台", "host": "bid.example"}
	scan := map[string]any{"id": "T", "type": "sign", "title": "签署", "document": document, "platform": platform}
	if change != nil {
		change(scan, document, platform)
	}
	return scan
}

// TestConfirmRefusesWhatWasNotShown: what the server shows after the
// confirmation is what it showed before.
func TestConfirmRefusesWhatWasNotShown(t *testing.T) {
	other := sm3.Sum([]byte("bid B 1"))
	for name, change := range map[string]func(s, d, p map[string]any){
		"document":  func(_, d, _ map[string]any) { d["digest"] = other[:] },
		"size":      func(_, d, _ map[string]any) { d["size"] = 1 },
		"name":      func(_, d, _ map[string]any) { d["name"] = "b" },
		"none":      func(s, _, _ map[string]any) { s["document"] = nil },
		"type":      func(s, _, _ map[string]any) { s["type"] = "login" },
		"id":        func(s, _, _ map[string]any) { s["id"] = "U" },
		"title":     func(s, _, _ map[string]any) { s["title"] = "登录" },
		"code":      func(_, _, p map[string]any) { p["code"] = "D2" },
		"platform":  func(_, _, p map[string]any) { p["name"] = "别处" },
		"host":      func(_, _, p map[string]any) { p["host"] = "other.example" },
		"unchanged": func(s, _, _ map[string]any) { s["opID"], s["state"] = "op", "READY" },
	} {
		t.Run(name, func(t *testing.T) {
			p := against(t, map[string]any{"/app/v1/scans": asked(nil), "/app/v1/scans/T/confirm": asked(change)})
			s, err := p.ScanQR(context.Background(), "https://x")
			if err != nil {
				t.Fatal(err)
			}
			s, err = p.Confirm(context.Background(), s, "cert", "")
			if name == "unchanged" {
				if err != nil || s.OpID != "op" {
					t.Fatalf("an honest confirmation: %+v, %v", s, err)
				}
			} else if !errors.Is(err, ErrMismatch) {
				t.Fatalf("the phone goes on with what was never shown: %v", err)
			}
		})
	}
}

// TestAKeyServesItsPurposeAlone: the server chooses the key by its id, and may
// not have a document signed by the PIN key or a confirmation by a signing key.
func TestAKeyServesItsPurposeAlone(t *testing.T) {
	p := against(t, nil)
	_, public, err := p.enrolmentKey()
	if err != nil {
		t.Fatal(err)
	}
	purposes := []splitkey.Purpose{splitkey.PurposeSign, splitkey.PurposePIN, splitkey.PurposeEncrypt}
	for _, purpose := range purposes {
		p.state.put(splitkey.Record{KeyID: string(purpose), Purpose: purpose, PublicKey: public, Salt: make([]byte, 32), Masked: make([]byte, 32)})
	}
	e := p.Enter("271942")
	for _, key := range purposes {
		for _, purpose := range purposes {
			if _, err := p.record(e, string(key), purpose); (err == nil) != (key == purpose) {
				t.Errorf("a key for %s, wanted for %s: %v", key, purpose, err)
			}
		}
	}
}

// TestTheChosenCertificateSigns: not the key of another one.
func TestTheChosenCertificateSigns(t *testing.T) {
	p := against(t, map[string]any{"/app/v1/scans": asked(nil), "/app/v1/scans/T/confirm": asked(nil)})
	p.state.hold(Held{Certificate: "chosen", SignKey: "k1"})
	p.state.hold(Held{Certificate: "other", SignKey: "k2"})
	s, err := p.ScanQR(context.Background(), "https://x")
	if err != nil {
		t.Fatal(err)
	}
	if s, err = p.Confirm(context.Background(), s, "chosen", ""); err != nil {
		t.Fatal(err)
	}
	o := Offer{ID: splitkey.IDDocument, KeyID: "k1", M: []byte("bid A 100")}
	if err := p.shows(s, o); err != nil {
		t.Fatalf("the chosen one: %v", err)
	}
	o.KeyID = "k2"
	if err := p.shows(s, o); !errors.Is(err, ErrMismatch) {
		t.Fatalf("the key of another certificate: %v", err)
	}
}

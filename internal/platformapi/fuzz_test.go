package platformapi

import (
	"encoding/json"
	"testing"

	"tianweitong/internal/catalog"
	"tianweitong/internal/clock"
	"tianweitong/internal/platformapi/doortest"
	"tianweitong/internal/scan"
)

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// FuzzCreate: whatever a platform sends, its callback stays on its own host.
func FuzzCreate(f *testing.F) {
	s := scan.New(scan.Deps{Clock: clock.NewManual(doortest.Noon), Rand: zeros{}})
	p := catalog.Platform{Code: "M1100000034", Active: true}
	f.Add([]byte(`{"type":"login","title":"登录","browserBinding":"AAAA","browser":{"userAgent":"x","address":"::1"},"notifyPath":"/a","login":{"challenge":"AAAA"}}`))
	f.Add([]byte(`{"type":"sign","title":"签名","browser":{"address":"10.0.0.1"},"notifyPath":"//x","sign":{"document":"AAAA","name":"a","size":1,"digest":"AA=="}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var in createInput
		if json.Unmarshal(b, &in.Body) != nil {
			return
		}
		in.Body.Binding = make([]byte, 32)
		r, err := in.request()
		if err != nil {
			return
		}
		if _, err := s.Draft(p, r); err != nil || r.NotifyPath == "" {
			return
		}
		u, err := rules{}.target("https://bid.example/cb", r.NotifyPath)
		if err != nil || u.Host != "bid.example" || u.Path != "/cb"+r.NotifyPath {
			t.Fatalf("%q calls %v, %v", r.NotifyPath, u, err)
		}
	})
}

package platformapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"tianweitong/internal/certificate"
	"tianweitong/internal/platformapi/doortest"
)

// BenchmarkSignature is a whole signature as the platforms' door and the scan see
// it, over HTTP with 64 platforms' pages and phones on SQLite; custody's part is
// not in it.
func BenchmarkSignature(b *testing.B) {
	s := lite(b)
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	client := &http.Client{Transport: transport}
	b.Cleanup(transport.CloseIdleConnections)
	ask := func(c call, status int) map[string]any {
		resp, err := client.Do(s.request(context.Background(), c))
		if err != nil {
			b.Error(err)
			return nil
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		var m map[string]any
		if resp.StatusCode != status || json.Unmarshal(raw, &m) != nil {
			b.Errorf("%s: %d %s", c.path, resp.StatusCode, raw)
		}
		return m
	}
	type owner struct {
		p doortest.Holder
		c certificate.Certificate
	}
	owners := make([]owner, 64)
	for i := range owners {
		p := s.NewPerson("测试人")
		owners[i] = owner{p, s.Certify(p, s.platform.Code)}
	}
	var next atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		o := owners[int(next.Add(1))%len(owners)]
		for pb.Next() {
			tid, _ := ask(s.call("POST", "/transactions", signBody([]byte("投标函"), `,"expectedIdentity":"`+o.p.ID+`"`)), 201)["tId"].(string)
			text, _ := ask(s.get("/transactions/"+tid+"/qr"), 200)["text"].(string)
			if _, err := s.Scans.Scan(ctx, o.p.Holder, text, office); err != nil {
				b.Error(err)
				return
			}
			ask(s.get("/transactions/"+tid), 200)
			seen, err := s.Scans.Confirm(ctx, o.p.Holder, tid, o.c.ID, "")
			if err != nil {
				b.Error(err)
				return
			}
			if err := s.Door.Enter(ctx, o.p.Holder, seen.OpID); err != nil {
				b.Error(err)
				return
			}
			ask(s.get("/transactions/"+tid), 200)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
}

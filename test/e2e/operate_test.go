package e2e

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/store"
	"tianweitong/test/housetest"
)

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestSecondProcessOnOneDatabaseIsRefused(t *testing.T) {
	housetest.Each(t, func(t *testing.T, c config.Config) {
		first := housetest.Start(t, c, app.Options{})
		if _, err := app.New(t.Context(), c, app.Options{Log: first.Log}); !errors.Is(err, store.ErrClaimed) {
			t.Fatalf("the second got %v", err)
		}
		if status, _ := get(t, first.URLs().App+"/app/v1/environment"); status != http.StatusOK {
			t.Errorf("the first answers %d afterwards", status)
		}
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
		housetest.Start(t, c, app.Options{}) // the claim ends with the process
	})
}

// TestOneOffCommandsWorkOnAServersData: the ceremony makes what is missing once,
// the server takes it, and fsck rereads it all without opening a door.
func TestOneOffCommandsWorkOnAServersData(t *testing.T) {
	housetest.Each(t, func(t *testing.T, c config.Config) {
		c.PKIURL = "http://pki.example.cn" // stands in every certificate
		o := app.Options{Log: quiet(t), Version: "test"}
		first, err := app.Ceremony(t.Context(), c, o)
		if err != nil || len(first) == 0 {
			t.Fatalf("the ceremony: %q, %v", first, err)
		}
		w := open(t, c)
		p, in := w.holder()
		w.signs(p)
		if err := w.house.Stop(); err != nil {
			t.Fatal(err)
		}
		again, err := app.Ceremony(t.Context(), c, o)
		if err != nil || !slices.Equal(again, first) {
			t.Errorf("the ceremony again: %q, %v, was %q", again, err, first)
		}
		sum := sm3.Sum(in.Chain[len(in.Chain)-1])
		if root := hex.EncodeToString(sum[:]); !strings.Contains(strings.Join(first, "\n"), root) {
			t.Errorf("the ceremony said %q, the phone trusts %s", first, root)
		}
		report, err := app.Fsck(t.Context(), c, o)
		if err != nil || len(report.Findings) > 0 || len(report.Read) == 0 {
			t.Errorf("fsck: %+v, %v", report, err)
		}
	})
}

func TestLosingTheClaimStopsTheHouse(t *testing.T) {
	c := housetest.Config(t, store.Postgres)
	a, err := app.New(t.Context(), c, app.Options{Log: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	done := make(chan error, 1)
	go func() { done <- a.Run(t.Context()) }()

	d, err := sql.Open("pgx", c.DB)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "claim") {
		t.Fatalf("the house ended with %v", err)
	}
}

// TestGracefulStopFinishesRequestsAtHand stops a house while a request is half
// sent: new connections are refused, and this one still gets its answer.
func TestGracefulStopFinishesRequestsAtHand(t *testing.T) {
	housetest.Each(t, func(t *testing.T, c config.Config) {
		h := housetest.Start(t, c, app.Options{})
		address := strings.TrimPrefix(h.URLs().App, "http://")
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		body := `{"purpose":"login","phone":"19900000001"}`
		fmt.Fprintf(conn, "POST /app/v1/codes HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", address, len(body))
		reader := bufio.NewReader(conn)
		if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("the request is not at hand: %q, %v", line, err)
		}
		reader.ReadString('\n')

		stopped := make(chan error, 1)
		go func() { stopped <- h.Stop() }()
		eventually(t, "the listener closes", func(context.Context) bool {
			other, err := net.Dial("tcp", address)
			if err == nil {
				other.Close()
			}
			return err != nil
		})
		io.WriteString(conn, body)
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var ticket struct{ Ticket string }
		if err := json.NewDecoder(res.Body).Decode(&ticket); err != nil || res.StatusCode != http.StatusOK || ticket.Ticket == "" {
			t.Errorf("the request at hand got %s, %+v, %v", res.Status, ticket, err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("the house stopped with %v", err)
		}
	})
}

func TestHealthReadinessAndMetrics(t *testing.T) {
	housetest.Each(t, func(t *testing.T, c config.Config) {
		w := open(t, c)
		if err := w.Register(t.Context(), w.stranger()); err != nil {
			t.Fatal(err)
		}
		ops := w.house.URLs().Ops
		if status, body := get(t, ops+"/healthz"); status != http.StatusOK || !strings.Contains(body, `"ok"`) {
			t.Errorf("healthz answers %d %s", status, body)
		}
		status, body := get(t, ops+"/readyz")
		var parts map[string]string
		if err := json.Unmarshal([]byte(body), &parts); err != nil || status != http.StatusOK {
			t.Fatalf("readyz answers %d %s", status, body)
		}
		for _, part := range []string{"status", "database", "kmc", "custody"} {
			if parts[part] != "ok" {
				t.Errorf("readyz: %s is %q", part, parts[part])
			}
		}
		_, body = get(t, ops+"/metrics")
		for _, want := range []string{
			`twt_http_request_seconds_count{door="app",route="POST /app/v1/sessions",status="OK"} 1`,
			`twt_store_write_seconds_count{name="account.sign_in",result="ok"} 1`,
			`twt_job_seconds_count{result="ok",topic="sms.send"} 1`,
			`twt_custody_seconds_count{name="role:`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("the metrics lack %s", want)
			}
		}
		// Nothing of the operator's is on the doors of others.
		for _, door := range []string{w.house.URLs().App, w.house.URLs().Platform, w.house.URLs().PKI} {
			for _, path := range []string{"/metrics", "/healthz", "/sandbox/sms", "/debug/pprof/"} {
				if status, _ := get(t, door+path); status != http.StatusNotFound {
					t.Errorf("%s answers %d", path, status)
				}
			}
		}
	})
}

func TestReadinessFallsWithTheDatabase(t *testing.T) {
	t.Parallel()
	c := housetest.Config(t, store.Postgres)
	h := housetest.Start(t, c, app.Options{Log: quiet(t)})
	d, err := sql.Open("pgx", c.KMC)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var name string
	if err := d.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	d.Close()
	admin, err := sql.Open("pgx", c.DB)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.ExecContext(t.Context(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
		t.Fatal(err)
	}
	status, body := get(t, h.URLs().Ops+"/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"kmc":"failed"`) || !strings.Contains(body, `"database":"ok"`) {
		t.Errorf("readyz answers %d %s", status, body)
	}
	if status, _ := get(t, h.URLs().Ops+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz answers %d", status)
	}
}

// Command load measures full scan-to-sign journeys over real HTTP: phones and a
// trading platform in this process against a house in this process, on SQLite
// and on PostgreSQL, load included. With --people it measures signing in and the
// lists on a database full of made-up people, against a server in a process of
// its own. It asserts nothing on time; it fails only when a journey or a request
// fails.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/pprof/profile"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/journey"
	"tianweitong/internal/store/storetest"
	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/platform"
)

// keep is where CPU profiles go; empty for nowhere.
var keep string

func main() {
	phones := flag.Int("phones", 64, "phones that sign side by side")
	seconds := flag.Int("seconds", 20, "how long to measure")
	verbose := flag.Bool("v", false, "name the write transactions of a journey")
	flag.StringVar(&keep, "profile", "", "folder for the CPU profile of each engine")
	engines := flag.String("engine", "both", "sqlite, postgres or both")
	people := flag.Bool("people", false, "measure signing in and lists among made-up people")
	accounts := flag.Int("accounts", 100_000, "made-up accounts")
	enterprises := flag.Int("enterprises", 10_000, "made-up enterprises")
	binary := flag.String("server", "bin/tianweitong", "the server's program, for --people")
	flag.Parse()
	ctx := context.Background()
	names := []string{"sqlite", "postgres"}
	if *engines != "both" {
		names = []string{*engines}
	}
	if *people {
		c := crowd{binary: *binary, accounts: *accounts, enterprises: *enterprises, callers: *phones, span: time.Duration(*seconds) * time.Second}
		if err := c.print(ctx, names); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	fmt.Printf("%d phones, %d s, %d cores, load included\n", *phones, *seconds, runtime.NumCPU())
	fmt.Printf("%-10s %12s %9s %9s %9s %14s %12s\n", "engine", "journeys/s", "p50 ms", "p99 ms", "failed", "CPU ms/journey", "crypto CPU")
	failed := false
	for _, engine := range names {
		r, err := measure(ctx, engine, *phones, time.Duration(*seconds)*time.Second)
		if err != nil {
			fmt.Fprintln(os.Stderr, engine+":", err)
			os.Exit(1)
		}
		fmt.Printf("%-10s %12.1f %9.1f %9.1f %9d %14.1f %11.0f%%\n", engine, r.rate, r.p50, r.p99, r.failures, r.cpu, r.crypto*100)
		total := 0.0
		for _, name := range slices.Sorted(maps.Keys(r.writes)) {
			total += r.writes[name]
			if *verbose {
				fmt.Printf("    %-30s %5.2f\n", name, r.writes[name])
			}
		}
		fmt.Printf("%-10s %12.1f write transactions a journey\n", "", total)
		if r.failures > 0 {
			failed = true
			fmt.Fprintln(os.Stderr, "first failure:", r.first)
		}
	}
	if failed {
		os.Exit(1)
	}
}

type figures struct {
	rate, p50, p99, crypto float64
	cpu                    float64 // of this process, ms a journey; PostgreSQL's own comes on top
	failures               int64
	first                  error
	writes                 map[string]float64 // transactions a journey, by name
}

// from gives every phone an address of its own, as behind a proxy.
type from struct {
	address string
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.address)
	return f.next.RoundTrip(r)
}

func measure(ctx context.Context, engine string, phones int, span time.Duration) (figures, error) {
	dir, err := os.MkdirTemp("", "twt-load-")
	if err != nil {
		return figures{}, err
	}
	defer os.RemoveAll(dir)
	cfg := config.Config{Data: dir, App: "127.0.0.1:0", Platform: "127.0.0.1:0", PKI: "127.0.0.1:0", Panel: "127.0.0.1:0", Console: "off", Ops: "127.0.0.1:0", TrustProxy: true}
	if engine == "postgres" {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		server, err := storetest.StartDurable(ctx)
		if err != nil {
			return figures{}, err
		}
		defer server.Stop()
		cfg.DB = server.DSN
	}
	if cfg, err = cfg.Complete(); err != nil {
		return figures{}, err
	}
	a, err := app.New(ctx, cfg, app.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "load"})
	if err != nil {
		return figures{}, err
	}
	defer a.Close()
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.Run(run) }()
	f, err := drive(ctx, a.URLs(), dir, phones, span)
	stop()
	return f, errors.Join(err, <-done)
}

// drive enrols the phones, then signs for the span.
func drive(ctx context.Context, urls app.URLs, dir string, phones int, span time.Duration) (figures, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4 * phones
	w, err := journey.Discover(ctx, urls.App, pki.Arc{})
	if err != nil {
		return figures{}, err
	}
	w.HTTP = &http.Client{Transport: transport, Timeout: time.Minute}
	client, _, err := w.Platform(ctx, filepath.Join(dir, "platform"), platform.Registration{
		Code: "M9900000001", Name: "压测交易平台（沙箱）", Region: "北京", Host: "load.example.cn",
	})
	if err != nil {
		return figures{}, err
	}
	people := make([]*journey.Person, phones)
	errs := make([]error, phones)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	for i := range people {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			people[i], errs[i] = enrol(ctx, w, client, transport, i)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return figures{}, err
	}
	// One signature each, so that masks are derived and connections are warm.
	s := &signing{w: w, client: client, ops: urls.Ops, document: bytes.Repeat([]byte("投标函"), 100)}
	for _, p := range people {
		if err := s.one(ctx, p); err != nil {
			return figures{}, err
		}
	}
	return s.measure(ctx, people, span)
}

func enrol(ctx context.Context, w *journey.World, c *platform.Client, t http.RoundTripper, i int) (*journey.Person, error) {
	p, err := w.NewPerson(nil)
	if err != nil {
		return nil, err
	}
	p.Phone, err = phone.New(phone.Options{
		Server: w.Server, Arc: w.Arc, Keep: true, Sandbox: w.Env.Sandbox,
		HTTP: &http.Client{Transport: from{fmt.Sprintf("10.1.%d.%d", i/250, 1+i%250), t}, Timeout: time.Minute},
	})
	if err != nil {
		return nil, err
	}
	_, err = w.Enrol(ctx, p, app.SandboxInstitution, c.Code())
	return p, err
}

type signing struct {
	w        *journey.World
	client   *platform.Client
	ops      string
	document []byte
}

// writes reads how many business transactions the house has made, by name.
func (s *signing) writes(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.ops+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := s.w.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := map[string]float64{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		var name, result string
		var n float64
		if _, err := fmt.Sscanf(lines.Text(), "twt_store_write_seconds_count{name=%q,result=%q} %g", &name, &result, &n); err == nil {
			out[name] += n
		}
	}
	return out, nil
}

// one is a whole journey: the platform begins, the phone scans, confirms and
// signs, the platform fetches and verifies the result.
func (s *signing) one(ctx context.Context, p *journey.Person) error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	tx, err := s.client.BeginSign(ctx, platform.SignRequest{
		Request:  platform.Request{Title: "签署投标函", Secret: secret, Browser: platform.Browser{UserAgent: "load", Address: "10.1.0.1"}},
		Document: s.document, Name: "投标函.txt",
	})
	if err != nil {
		return err
	}
	_, err = s.w.Signature(ctx, p, s.client, tx)
	return err
}

func (s *signing) measure(ctx context.Context, people []*journey.Person, span time.Duration) (figures, error) {
	before, err := s.writes(ctx)
	if err != nil {
		return figures{}, err
	}
	var cpu bytes.Buffer
	if err := pprof.StartCPUProfile(&cpu); err != nil {
		return figures{}, err
	}
	until := time.Now().Add(span)
	times := make([][]time.Duration, len(people))
	var failures atomic.Int64
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	begun, used := time.Now(), cpuTime()
	for i, p := range people {
		wg.Go(func() {
			for time.Now().Before(until) {
				t := time.Now()
				if err := s.one(ctx, p); err != nil {
					failures.Add(1)
					first.CompareAndSwap(nil, &err)
					return
				}
				times[i] = append(times[i], time.Since(t))
			}
		})
	}
	wg.Wait()
	took, used := time.Since(begun), cpuTime()-used
	pprof.StopCPUProfile()
	all := slices.Concat(times...)
	slices.Sort(all)
	f := figures{failures: failures.Load()}
	if e := first.Load(); e != nil {
		f.first = *e
	}
	if len(all) > 0 {
		f.rate = float64(len(all)) / took.Seconds()
		f.cpu = ms(used) / float64(len(all))
		f.p50 = ms(all[len(all)/2])
		f.p99 = ms(all[len(all)*99/100])
	}
	if keep != "" {
		if err := os.WriteFile(filepath.Join(keep, "load.pprof"), cpu.Bytes(), 0o644); err != nil {
			return f, err
		}
	}
	after, err := s.writes(ctx)
	if err != nil {
		return f, err
	}
	f.writes = map[string]float64{}
	for name, n := range after {
		if per := (n - before[name]) / float64(max(1, len(all))); per >= 0.05 {
			f.writes[name] = per
		}
	}
	f.crypto, err = cryptoShare(&cpu)
	return f, err
}

// cpuTime is what this process has used of the cores so far.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cryptoShare is the part of the CPU samples whose stack passes through
// cryptographic code, phones' and platform's halves included.
func cryptoShare(r io.Reader) (float64, error) {
	p, err := profile.Parse(r)
	if err != nil {
		return 0, err
	}
	var all, crypto int64
	for _, s := range p.Sample {
		v := s.Value[len(s.Value)-1]
		all += v
		if slices.ContainsFunc(s.Location, func(l *profile.Location) bool {
			return slices.ContainsFunc(l.Line, func(l profile.Line) bool { return l.Function != nil && cryptographic(l.Function.Name) })
		}) {
			crypto += v
		}
	}
	if all == 0 {
		return 0, nil
	}
	return float64(crypto) / float64(all), nil
}

func cryptographic(name string) bool {
	for _, prefix := range []string{"github.com/emmansun/gmsm/", "filippo.io/bigmod", "tianweitong/splitkey", "crypto/"} {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/internal/store/storetest"
	"tianweitong/phone"
	"tianweitong/pki"
)

// crowd measures what people do most, signing in and looking at lists, against a
// server in a process of its own on a database full of made-up people.
type crowd struct {
	binary                string
	accounts, enterprises int
	callers               int
	span                  time.Duration
	// seed is how long the seeding took, memory what the server's process holds, at
	// rest and the most under load, in bytes.
	seed           time.Duration
	resting, under int64
}

// row is one line of the table.
type row struct {
	what           string
	rate, p50, p99 float64
	failures       int64
	first          error
}

func (c *crowd) print(ctx context.Context, engines []string) error {
	fmt.Printf("%d accounts, %d enterprises, %d callers, %v each, load beside the server on %d cores\n", c.accounts, c.enterprises, c.callers, c.span, runtime.NumCPU())
	fmt.Printf("%-10s %-32s %12s %9s %9s %9s\n", "engine", "what", "requests/s", "p50 ms", "p99 ms", "failed")
	for _, engine := range engines {
		rows, err := c.measure(ctx, engine)
		for _, r := range rows {
			fmt.Printf("%-10s %-32s %12.1f %9.1f %9.1f %9d\n", engine, r.what, r.rate, r.p50, r.p99, r.failures)
			if r.first != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", r.what, r.first))
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
		fmt.Printf("%-10s server memory at rest %d MB, at most %d MB under load; seeded in %.0f s\n", engine, c.resting>>20, c.under>>20, c.seed.Seconds())
	}
	return nil
}

// measure seeds a fresh database, serves it, and drives each kind of request.
func (c *crowd) measure(ctx context.Context, engine string) ([]row, error) {
	dir, err := os.MkdirTemp("", "twt-crowd-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	env := append(os.Environ(), "TWT_DATA="+dir, "TWT_TRUST_PROXY=true", "TWT_LOG_LEVEL=error")
	if engine == "postgres" {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		server, err := storetest.StartDurable(ctx)
		if err != nil {
			return nil, err
		}
		defer server.Stop()
		env = append(env, "TWT_DB="+server.DSN)
	}
	begun := time.Now()
	fill := exec.CommandContext(ctx, c.binary, "seed", "--accounts", strconv.Itoa(c.accounts), "--enterprises", strconv.Itoa(c.enterprises))
	fill.Env = env
	if out, err := fill.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("seeding: %w: %s", err, out)
	}
	c.seed = time.Since(begun)
	var address string
	for _, door := range []string{"APP", "PLATFORM", "PKI", "OPS", "SANDBOX", "CONSOLE"} {
		free, err := freeAddress()
		if err != nil {
			return nil, err
		}
		env = append(env, "TWT_"+door+"="+free)
		if door == "APP" {
			address = "http://" + free
		}
	}
	serve := exec.CommandContext(ctx, c.binary, "serve")
	serve.Env, serve.Stderr = env, os.Stderr
	if err := serve.Start(); err != nil {
		return nil, err
	}
	defer func() {
		serve.Process.Signal(syscall.SIGTERM)
		serve.Wait()
	}()
	w, err := c.awaken(ctx, address)
	if err != nil {
		return nil, err
	}
	return c.drive(ctx, w, serve.Process.Pid)
}

// freeAddress is a port that nobody uses now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// awaken waits until the server answers.
func (c *crowd) awaken(ctx context.Context, address string) (*journey.World, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		w, err := journey.Discover(ctx, address, pki.Arc{})
		if err == nil {
			return w, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// settled is how long the server is left alone before its memory at rest is read.
const settled = 5 * time.Second

func (c *crowd) drive(ctx context.Context, w *journey.World, pid int) ([]row, error) {
	time.Sleep(settled)
	c.resting, c.under = residentMemory(pid), 0
	watching, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for watching.Err() == nil {
			c.under = max(c.under, residentMemory(pid))
			time.Sleep(50 * time.Millisecond)
		}
	})
	defer func() {
		stop()
		watcher.Wait()
	}()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4 * c.callers
	w.HTTP = &http.Client{Transport: transport, Timeout: time.Minute}
	people := make([]*journey.Person, 0, c.callers)
	var next atomic.Int64
	var keep sync.Mutex
	rows := []row{c.loop("login (code and session)", min(c.callers, 16), func(int) (time.Duration, error) {
		i := int(next.Add(1)) - 1
		if i >= c.accounts {
			return 0, errEnough
		}
		p, took, err := signIn(ctx, w, transport, i)
		if err == nil {
			keep.Lock()
			if len(people) < c.callers {
				people = append(people, p)
			}
			keep.Unlock()
		}
		return took, err
	})}
	if len(people) == 0 {
		return rows, errors.New("nobody signed in")
	}
	// The first account administers the first enterprise, which is a large one.
	var chief *journey.Person
	for _, p := range people {
		if p.Number == app.SeedPhone(0) {
			chief = p
		}
	}
	if chief == nil {
		return rows, errors.New("the first account did not sign in")
	}
	get := func(p *journey.Person, paths ...string) (time.Duration, error) {
		begun := time.Now()
		for _, path := range paths {
			if err := read(ctx, p, path, nil); err != nil {
				return 0, err
			}
		}
		return time.Since(begun), nil
	}
	of := func(i int) *journey.Person { return people[i%len(people)] }
	rows = append(rows, c.loop("home (to-dos and identities)", c.callers, func(i int) (time.Duration, error) {
		return get(of(i), "/todos", "/identities")
	}))
	var own struct {
		Enterprises []struct{ ID, Role string }
	}
	if err := read(ctx, chief, "/identities", &own); err != nil {
		return rows, err
	}
	i := slices.IndexFunc(own.Enterprises, func(e struct{ ID, Role string }) bool { return e.Role == "administrator" })
	if i < 0 {
		return rows, errors.New("the first account administers nothing")
	}
	id := own.Enterprises[i].ID
	rows = append(rows, c.loop("members of a large enterprise", c.callers, func(int) (time.Duration, error) {
		return get(chief, "/enterprises/"+id+"/members?as="+id)
	}))
	rows = append(rows, c.loop("notices", c.callers, func(i int) (time.Duration, error) { return get(of(i), "/notices") }))
	return rows, nil
}

// errEnough ends a caller without a failure.
var errEnough = errors.New("nothing left to do")

// loop lets callers repeat f for the span.
func (c *crowd) loop(what string, callers int, f func(caller int) (time.Duration, error)) row {
	r := row{what: what}
	until, begun := time.Now().Add(c.span), time.Now()
	times := make([][]time.Duration, callers)
	var failures atomic.Int64
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for time.Now().Before(until) {
				took, err := f(i)
				if err != nil {
					if !errors.Is(err, errEnough) {
						failures.Add(1)
						first.CompareAndSwap(nil, &err)
					}
					return
				}
				times[i] = append(times[i], took)
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	r.failures = failures.Load()
	if e := first.Load(); e != nil {
		r.first = *e
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	if len(all) > 0 {
		r.rate, r.p50, r.p99 = float64(len(all))/took.Seconds(), ms(all[len(all)/2]), ms(all[len(all)*99/100])
	}
	return r
}

// clocked adds up how long the requests of one sign-in took at the app's door;
// fetching the SMS from the sandbox's inbox is not the server's doing.
type clocked struct {
	took atomic.Int64
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c *clocked) RoundTrip(r *http.Request) (*http.Response, error) {
	begun := time.Now()
	res, err := c.next.RoundTrip(r)
	c.took.Add(int64(time.Since(begun)))
	return res, err
}

// signIn signs the seeded account i in on a phone of its own, from an address of
// its own, and tells how long the server took.
func signIn(ctx context.Context, w *journey.World, t http.RoundTripper, i int) (*journey.Person, time.Duration, error) {
	watch := &clocked{next: from{fmt.Sprintf("10.%d.%d.%d", 2+i/62500, i/250%250, 1+i%250), t}}
	p := &journey.Person{Number: app.SeedPhone(i)}
	var err error
	p.Phone, err = phone.New(phone.Options{Server: w.Server, Arc: w.Arc, Sandbox: true, HTTP: &http.Client{Transport: watch, Timeout: time.Minute}})
	if err != nil {
		return nil, 0, err
	}
	// The agreements and the time: what an app has asked for before anybody signs in.
	if _, err := p.Phone.Environment(ctx); err != nil {
		return nil, 0, err
	}
	watch.took.Store(0)
	err = w.SignIn(ctx, p, p.Phone)
	return p, time.Duration(watch.took.Load()), err
}

// read gets a route of the app's API, signed by the phone.
func read(ctx context.Context, p *journey.Person, path string, out any) error {
	status, body, err := p.Phone.Transport.Send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s", path, status, body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}

// residentMemory is what a process holds of the machine's memory, in bytes; 0
// where /proc does not tell.
func residentMemory(pid int) int64 {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kB int64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kB); err == nil {
			return kB << 10
		}
	}
	return 0
}

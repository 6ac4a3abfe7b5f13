package platformapi

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/clock"
	"tianweitong/internal/job"
	"tianweitong/internal/platformapi/doortest"
	"tianweitong/internal/scan"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/platform"
)

const publicAddress = "93.184.216.34"

// post is a house whose callbacks go to a platform's server by TLS, on an address
// that looks public.
type post struct {
	*doortest.House
	t         *testing.T
	callbacks *Callbacks
	runner    *job.Runner
	dns       *names
	platform  doortest.Platform
	holder    doortest.Holder
	mu        sync.Mutex
	handler   http.HandlerFunc
	dialled   []string
	sign      func([]byte) ([]byte, [][]byte)
}

func (p *post) Sign(_ context.Context, body []byte) ([]byte, [][]byte, error) {
	s, c := p.sign(body)
	return s, c, nil
}

func newPost(t *testing.T, st *store.Store, c *clock.Manual) *post {
	p := &post{House: doortest.New(t, st, c), t: t, dns: &names{all: map[string][]string{"example.com": {publicAddress}}}}
	p.platform = p.NewPlatform(1)
	p.platform.CallbackBase = "https://example.com/cb" // the name in httptest's certificate
	p.Directory.Put(p.platform.Platform)
	p.holder = p.NewPerson("王测试")
	p.handler = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"ret":"0"}`) }
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		h := p.handler
		p.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(server.Close)
	service, key := p.PKI.CA.IssueRole(t, pki.Service)
	p.sign = func(body []byte) ([]byte, [][]byte) {
		return pkitest.Sign(t, key, prefixed([]byte("TWT/callback/v1"), body)), [][]byte{service.Raw, p.PKI.CA.Cert.Raw}
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	p.callbacks = newCallbacks(CallbackDeps{
		Runner: st, Store: st.PlatformRequests(), Clock: c, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Directory: p.Directory, Scans: p.Scans, Signer: p, Roots: roots,
	}, rules{resolver: p.dns, dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		p.mu.Lock()
		p.dialled = append(p.dialled, address)
		p.mu.Unlock()
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}})
	t.Cleanup(p.callbacks.Close)
	p.runner = job.New(st, c, rand.Reader, slog.New(slog.NewTextHandler(io.Discard, nil)))
	p.callbacks.Register(p.runner)
	return p
}

// answer sets how the platform answers.
func (p *post) answer(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler = h
}

func newLitePost(t *testing.T) *post {
	c := clock.NewManual(doortest.Noon)
	return newPost(t, storetest.Open(t, storetest.SQLite(t), c), c)
}

// end makes a transaction that is EXECUTED.
func (p *post) end() string {
	p.t.Helper()
	ctx := context.Background()
	cert := p.Certify(p.holder, p.platform.Code)
	d, err := p.Scans.Draft(p.platform.Platform, scan.Request{
		Type: scan.Sign, Title: "签署", Binding: make([]byte, 32), Browser: scan.Browser{Address: "198.51.100.7"}, Expected: p.holder.ID,
		Body: []byte("投标函"), Document: scan.Document{Name: "a.txt"}, NotifyPath: "/done",
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.Must(func(ctx context.Context, tx work.Tx) error {
		_, err := p.Scans.Create(ctx, tx, d)
		return err
	})
	q, err := p.Scans.QR(ctx, p.platform.Code, d.ID())
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.Scans.Scan(ctx, p.holder.Holder, q.Text, ""); err != nil {
		p.t.Fatal(err)
	}
	seen, err := p.Scans.Confirm(ctx, p.holder.Holder, d.ID(), cert.ID, "")
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Door.Enter(ctx, p.holder.Holder, seen.OpID); err != nil {
		p.t.Fatal(err)
	}
	return d.ID()
}

func (p *post) drain() {
	p.t.Helper()
	if err := p.runner.Drain(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *post) state(id string) scan.State {
	p.t.Helper()
	st, err := p.Scans.Status(context.Background(), p.platform.Code, id, false)
	if err != nil {
		p.t.Fatal(err)
	}
	return st.State
}

func (p *post) undelivered() []scan.Undelivered {
	p.t.Helper()
	all, err := p.callbacks.Undelivered(context.Background(), p.platform.Code, 10)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func TestAcknowledgedCallbackIsDelivered(t *testing.T) {
	p := newLitePost(t)
	var got message
	var raw string
	p.answer(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		raw = string(b)
		if r.Method != "POST" || r.URL.Path != "/cb/done" || r.Host != "example.com" || json.Unmarshal(b, &got) != nil {
			t.Errorf("%s %s %s", r.Method, r.Host, b)
		}
		io.WriteString(w, `{"ret":"0"}`)
	})
	id := p.end()
	p.drain()
	if p.state(id) != scan.Delivered || len(p.undelivered()) != 0 {
		t.Fatalf("it is %s, undelivered %v", p.state(id), p.undelivered())
	}
	if got.Platform != p.platform.Code || got.URL != "https://example.com/cb/done" || got.TID != id || got.Seq != 1 || got.State != scan.Executed ||
		!got.Time.Equal(p.Clock.Now()) || len(got.Nonce) != 32 || len(got.Recipient) != 32 {
		t.Errorf("body %s", raw)
	}
	if strings.Contains(raw, p.holder.Name) || strings.Contains(raw, "signature") {
		t.Errorf("the hint tells too much: %s", raw)
	}
	if len(p.dialled) != 1 || p.dialled[0] != publicAddress+":443" || p.dns.asked != 1 {
		t.Errorf("dialled %v after %d look-ups", p.dialled, p.dns.asked)
	}
}

// The SDK's receiver believes what we send, and nothing else that it may hear.
func TestSDKReceivesTheCallback(t *testing.T) {
	p := newLitePost(t)
	key := pkitest.Key(t)
	tmpl := pkitest.Template(pki.PlatformSigning, key)
	tmpl.Subject.CommonName = p.platform.Code
	own := p.PKI.CA.Issue(t, tmpl)
	p.platform.SignCertificate = own.Raw
	p.Directory.Put(p.platform.Platform)
	c, err := platform.New(platform.Config{
		BaseURL: "https://open.example", Code: p.platform.Code, SigningKey: key, Certificate: own, Roots: []*smx509.Certificate{p.PKI.Root.Cert},
		Sandbox: true, Clock: p.Clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	var heard []platform.Callback
	r := c.Receiver("https://example.com/cb/done", func(_ context.Context, cb platform.Callback) error {
		heard = append(heard, cb)
		return nil
	})
	p.answer(r.ServeHTTP)
	id := p.end()
	p.drain()
	if p.state(id) != scan.Delivered || len(heard) != 1 || heard[0].ID != id || heard[0].State != platform.Executed {
		t.Fatalf("it is %s, heard %+v", p.state(id), heard)
	}
	p.sign = func(body []byte) ([]byte, [][]byte) { return pkitest.Sign(t, key, body), [][]byte{own.Raw} }
	id = p.end()
	p.drain()
	if p.state(id) != scan.Executed || len(heard) != 1 {
		t.Fatalf("a callback that somebody else signed: %s, heard %+v", p.state(id), heard)
	}
}

func TestWhatIsNotAnAcknowledgementFails(t *testing.T) {
	p := newLitePost(t)
	var elsewhere bool
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		why     error
	}{
		"ret 1":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"ret":"1"}`) }, errRefused},
		"no JSON":    {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }, errRefused},
		"nothing":    {func(http.ResponseWriter, *http.Request) {}, errRefused},
		"status 500": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"ret":"0"}`, 500) }, errRefused},
		"more than 64k": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"ret":"0"}`+strings.Repeat(" ", 64<<10))
		}, errRefused},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				elsewhere = true
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(302)
			io.WriteString(w, `{"ret":"0"}`)
		}, errRefused},
		"no answer": {func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then does the server notice that the caller left
			<-r.Context().Done()
		}, errUnreachable},
		"half an answer": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "11")
			io.WriteString(w, `{"ret":`)
			panic(http.ErrAbortHandler)
		}, errUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			p.answer(c.handler)
			p.callbacks.client.Timeout = 200 * time.Millisecond
			id := p.end()
			if err := p.callbacks.call(t.Context(), scan.Callback{Platform: p.platform.Code, Transaction: id, Seq: 1, State: scan.Executed}); !errors.Is(err, c.why) {
				t.Errorf("err = %v", err)
			}
		})
	}
	if elsewhere {
		t.Error("the redirect was followed")
	}
	if callbackTime != 5*time.Second || NewCallbacks(CallbackDeps{}).client.Timeout != callbackTime {
		t.Error("a callback has 5 s")
	}
}

func TestCallbackToAPrivateAddressIsNotMade(t *testing.T) {
	p := newLitePost(t)
	p.dns.all["example.com"] = []string{"10.1.2.3"}
	id := p.end()
	p.drain()
	all := p.undelivered()
	if p.state(id) != scan.Executed || len(p.dialled) != 0 || len(all) != 1 || !strings.Contains(all[0].Problem, "not a public address") {
		t.Fatalf("dialled %v, %+v", p.dialled, all)
	}
	// The name points outside once more: the retry gets through.
	p.dns.all["example.com"] = []string{publicAddress}
	p.Clock.Advance(time.Second)
	p.drain()
	if p.state(id) != scan.Delivered || len(p.undelivered()) != 0 {
		t.Fatalf("it is %s, %+v", p.state(id), p.undelivered())
	}
}

func TestCallbackIsRetriedOnItsScheduleThenKeptForReplay(t *testing.T) {
	c := clock.NewManual(doortest.Noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		p := newPost(t, st, c)
		var at []time.Duration
		up := false
		started := c.Now()
		p.answer(func(w http.ResponseWriter, _ *http.Request) {
			at = append(at, c.Now().Sub(started))
			if up {
				io.WriteString(w, `{"ret":"0"}`)
			}
		})
		id := p.end()
		p.drain()
		for range 20 * 60 {
			c.Advance(time.Second)
			p.drain()
		}
		want := []time.Duration{0, time.Second, 6 * time.Second, 36 * time.Second, 156 * time.Second, 756 * time.Second}
		if len(at) != len(want) {
			t.Fatalf("tried at %v", at)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Fatalf("tried at %v, want %v", at, want)
			}
		}
		all := p.undelivered()
		if len(all) != 1 || all[0].Transaction != id || all[0].Attempts != 6 || !all[0].FirstAt.Equal(started) || p.state(id) != scan.Executed {
			t.Fatalf("kept %+v, %s", all, p.state(id))
		}
		up = true
		if err := p.callbacks.Replay(t.Context(), p.NewPlatform(2).Code, id); !errors.Is(err, scan.CodeNotFound) {
			t.Errorf("replayed for another platform: %v", err)
		}
		for range 2 {
			if err := p.callbacks.Replay(t.Context(), p.platform.Code, id); err != nil {
				t.Fatal(err)
			}
		}
		p.drain()
		if len(at) != 7 || p.state(id) != scan.Delivered || len(p.undelivered()) != 0 {
			t.Fatalf("after the replay: %d calls, %s, %+v", len(at), p.state(id), p.undelivered())
		}
	})
}

func TestSandboxCallsThisMachineByHTTP(t *testing.T) {
	p := newLitePost(t)
	called := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called++
		io.WriteString(w, `{"ret":"0"}`)
	}))
	defer server.Close()
	p.platform.CallbackBase = server.URL
	p.Directory.Put(p.platform.Platform)
	id := p.end()
	for sandbox, want := range map[bool]int{false: 0, true: 1} {
		called = 0
		d := p.callbacks.CallbackDeps
		d.Sandbox, d.Resolver = sandbox, nil
		c := NewCallbacks(d)
		err := c.call(t.Context(), scan.Callback{Platform: p.platform.Code, Transaction: id, Seq: 1, State: scan.Executed})
		c.Close()
		if called != want || errors.Is(err, ErrAddress) == sandbox {
			t.Errorf("sandbox %v: called %d times, %v", sandbox, called, err)
		}
	}
}

func TestOldNoncesAreDropped(t *testing.T) {
	p := newLitePost(t)
	nonce := scan.Nonce{Platform: p.platform.Code, Value: "n", Digest: []byte{1}, ExpiresAt: p.Clock.Now().Add(6 * time.Minute)}
	take := func() (fresh bool) {
		p.Must(func(ctx context.Context, tx work.Tx) (err error) {
			_, fresh, err = p.Store.PlatformRequests().TakeNonce(ctx, tx, nonce)
			return err
		})
		return fresh
	}
	if !take() {
		t.Fatal("a new nonce is used")
	}
	for range 2 { // starting twice makes one tidying
		if err := p.callbacks.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 {
		p.Clock.Advance(time.Minute)
		p.drain()
	}
	if take() {
		t.Fatal("dropped too early")
	}
	p.Clock.Advance(time.Minute)
	p.drain()
	if !take() {
		t.Fatal("kept for ever")
	}
	counts, err := p.CountJobs(t.Context())
	if err != nil || len(counts) != 1 || counts[0].N != 1 {
		t.Errorf("jobs %v, %v", counts, err)
	}
}

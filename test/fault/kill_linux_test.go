package fault

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/app"
	"tianweitong/internal/clock"
	"tianweitong/internal/journey"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/platform"
)

// generation is how many kills one set of people lives through: an attempt that a
// kill cuts off stays charged, and thirty in a month are all that an account has.
const generation = 20

// TestKilledProcessKeepsWhatItAcknowledged kills a real server with signal 9 while
// four phones sign, starts it again, and goes on. Every signature that a phone was
// given verifies at the platform and stands in the usage records, once.
func TestKilledProcessKeepsWhatItAcknowledged(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "tianweitong")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/tianweitong")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for e, cycles := range map[store.Engine]int{store.SQLite: 5, store.Postgres: 3} {
		if long {
			cycles = 200
		}
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			killing(t, binary, e, cycles)
		})
	}
}

func killing(t *testing.T, binary string, e store.Engine, cycles int) {
	s := newServer(t, binary, e)
	s.start(t)
	o := newOffice(t, s)
	for range cycles {
		if s.kills%generation == 0 {
			o.hire(t)
		}
		o.signUntil(t, 4+rand.IntN(12), s.kill)
		s.start(t)
		o.check(t)
	}
	o.audit(t)
	slices.Sort(s.starts)
	t.Logf("%d kills, %d signatures acknowledged, serving again after %d ms (median), %d ms (longest)",
		s.kills, o.given, s.starts[len(s.starts)/2].Milliseconds(), s.starts[len(s.starts)-1].Milliseconds())
	s.stop(t)
}

// server is the product's process.
type server struct {
	binary   string
	env      []string
	app, ops string
	process  *os.Process
	gone     chan error // what the process ended with
	output   *bytes.Buffer
	kills    int
	starts   []time.Duration // from the start of the process until it serves
}

func newServer(t *testing.T, binary string, e store.Engine) *server {
	t.Helper()
	p := ports(t, 5)
	s := &server{binary: binary, app: "http://" + p[0], ops: "http://" + p[4]}
	s.env = []string{
		"TWT_DATA=" + t.TempDir(), "TWT_APP=" + p[0], "TWT_PLATFORM=" + p[1], "TWT_PKI=" + p[2], "TWT_SANDBOX=" + p[3], "TWT_OPS=" + p[4], "TWT_CONSOLE=off",
		"TWT_TRUST_PROXY=true",
	}
	if e == store.Postgres {
		s.env = append(s.env, "TWT_DB="+storetest.Postgres(t), "TWT_KMC="+storetest.Postgres(t))
	}
	t.Cleanup(func() {
		if s.process != nil {
			s.process.Kill()
			<-s.gone
		}
	})
	return s
}

func (s *server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it outlives no test
	s.output = new(bytes.Buffer)
	cmd.Stderr = s.output
	return cmd
}

// start starts the process and waits until it serves. PostgreSQL may need a
// moment to notice that the one before is gone; whoever runs the product starts
// it again then, and so does this.
func (s *server) start(t *testing.T) {
	t.Helper()
	watch := clock.Start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		cmd := s.command("serve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.process, s.gone = cmd.Process, make(chan error, 1)
		go func(gone chan<- error) { gone <- cmd.Wait() }(s.gone)
		if s.serves(ctx) {
			s.starts = append(s.starts, clock.Since(watch))
			return
		}
		s.process = nil
		if !strings.Contains(s.output.String(), "another process already serves") {
			break
		}
	}
	t.Fatalf("the server does not serve: %s", s.output)
}

// serves waits until the process is ready; false if it ends before.
func (s *server) serves(ctx context.Context) bool {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.ops+"/readyz", nil)
		if err != nil {
			return false
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-s.gone:
			return false
		case <-ctx.Done():
			s.process.Kill()
			<-s.gone
			return false
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// kill ends the process as kill -9 does.
func (s *server) kill() {
	s.kills++
	s.process.Kill()
	<-s.gone
	s.process = nil
}

// stop asks the process to end, and has it reread everything afterwards.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.process.Signal(syscall.SIGTERM)
	err := <-s.gone
	s.process = nil
	if err != nil {
		t.Errorf("the server stopped with %v: %s", err, s.output)
	}
	out, err := s.command("fsck").Output()
	if err != nil {
		t.Errorf("fsck: %v\n%s%s", err, out, s.output)
	}
}

// office is four people who sign for one platform.
type office struct {
	world  *journey.World
	client *platform.Client
	people []*signer
	given  int // signatures that phones were given
	hired  int
}

type signer struct {
	*journey.Person
	signed []signature
}

// signature is what a phone was given.
type signature struct {
	tx     platform.Transaction
	digest [sm3.Size]byte // of the document
	der    []byte
	seen   bool // the platform has it too
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

func newOffice(t *testing.T, s *server) *office {
	t.Helper()
	o := new(office)
	var err error
	if o.world, err = journey.Discover(t.Context(), s.app, pki.Arc{}); err != nil {
		t.Fatal(err)
	}
	o.client, _, err = o.world.Platform(t.Context(), t.TempDir(), platform.Registration{
		Code: "M9900000001", Name: "故障演练平台（沙箱）", Region: "北京", Host: "fault.example.cn",
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// hire makes new people with new certificates.
func (o *office) hire(t *testing.T) {
	t.Helper()
	o.audit(t)
	o.people = nil
	var all sync.WaitGroup
	for range 4 {
		o.hired++
		p, err := o.world.NewPerson(nil)
		if err == nil {
			p.Phone, err = phone.New(phone.Options{Server: o.world.Server, Sandbox: true, HTTP: &http.Client{
				Transport: from{fmt.Sprintf("10.2.%d.%d", o.hired/250, 1+o.hired%250), http.DefaultTransport}, Timeout: time.Minute,
			}})
		}
		if err != nil {
			t.Fatal(err)
		}
		o.people = append(o.people, &signer{Person: p})
		all.Go(func() {
			if _, err := o.world.Enrol(t.Context(), p, app.SandboxInstitution, o.client.Code()); err != nil {
				t.Error(err)
			}
		})
	}
	if all.Wait(); t.Failed() {
		t.FailNow()
	}
}

// signUntil lets everybody sign until n signatures were given, and kills in the
// middle of the next ones.
func (o *office) signUntil(t *testing.T, n int, kill func()) {
	t.Helper()
	var killed, given atomic.Int64
	var all sync.WaitGroup
	enough := make(chan struct{})
	for _, p := range o.people {
		all.Go(func() {
			for killed.Load() == 0 {
				s, err := o.sign(t.Context(), p)
				if err != nil && killed.Load() == 0 {
					t.Errorf("before the kill: %v", err)
					killed.Store(1)
					close(enough)
				}
				if err != nil {
					return
				}
				p.signed = append(p.signed, s)
				if given.Add(1) == int64(n) {
					killed.Store(1)
					close(enough)
				}
			}
		})
	}
	<-enough
	kill()
	all.Wait()
	o.given += int(given.Load())
	if t.Failed() {
		t.FailNow()
	}
}

func (o *office) sign(ctx context.Context, p *signer) (s signature, err error) {
	document := fmt.Appendf(nil, "投标函（演练）%s\n", cryptorand.Text())
	s.digest = sm3.Sum(document)
	s.tx, err = o.client.BeginSign(ctx, platform.SignRequest{
		Request:  platform.Request{Title: "签署投标函", Secret: make([]byte, 32), Browser: platform.Browser{Address: "127.0.0.1"}},
		Document: document, Name: "投标函.txt",
	})
	if err != nil {
		return s, err
	}
	shown, err := o.world.Scanned(ctx, p.Person, o.client, s.tx)
	if err != nil {
		return s, err
	}
	signed, err := p.Phone.Execute(ctx, shown, p.PIN)
	s.der = signed.Signature
	return s, err
}

// check: the platform gets, and verifies, every signature that a phone was given.
func (o *office) check(t *testing.T) {
	t.Helper()
	for _, p := range o.people {
		for i := range p.signed {
			s := &p.signed[i]
			if s.seen {
				continue
			}
			r, err := o.world.Result(t.Context(), o.client, s.tx)
			if err != nil || !bytes.Equal(r.Signature, s.der) {
				t.Fatalf("a signature that a phone was given: %v", err)
			}
			s.seen = true
		}
	}
}

// audit: the usage records hold every signature that was given, and none twice.
func (o *office) audit(t *testing.T) {
	t.Helper()
	for _, p := range o.people {
		recorded := map[[sm3.Size]byte]int{}
		for next := ""; ; {
			page, more, err := p.Phone.Usage(t.Context(), next)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				if r.Business == "sign" && r.Outcome == "OK" {
					recorded[[sm3.Size]byte(r.Digest)]++
				}
			}
			if next = more; next == "" {
				break
			}
		}
		for _, s := range p.signed {
			if recorded[s.digest] != 1 {
				t.Errorf("a signature that was given has %d usage records", recorded[s.digest])
			}
		}
		for digest, n := range recorded {
			if n != 1 {
				t.Errorf("document %x was signed %d times", digest, n)
			}
		}
		if st, err := p.Phone.PIN(t.Context()); err != nil || st.Locked {
			t.Errorf("the PIN is %+v, %v", st, err)
		}
	}
}

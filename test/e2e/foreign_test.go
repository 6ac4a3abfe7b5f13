package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/phone"
	"tianweitong/splitkey"
)

// used is a request that was answered well.
type used struct {
	method, path string
	body         []byte
}

// recorder remembers what a phone was answered well.
type recorder struct {
	mu  sync.Mutex
	all []used
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && res.StatusCode < 300 {
		r.add(req.Method, req.URL.Path, body)
	}
	return res, err
}

func (r *recorder) add(method, path string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, used{method, path, body})
}

// last is the last use of each route with parameters, by "METHOD /path/{id}".
func (r *recorder) last(all []string) map[string]used {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]used{}
	for _, route := range all {
		method, path, _ := strings.Cut(route, " ")
		if !strings.Contains(path, "{") {
			continue
		}
		shape := regexp.MustCompile("^" + parameter.ReplaceAllString(path, "[^/]+") + "$")
		for _, u := range r.all {
			// "/pin/face/{id}" also looks like a setup's path: the longest route wins
			// because literal parts never hold an id.
			if u.method == method && shape.MatchString(u.path) {
				out[route] = u
			}
		}
	}
	return out
}

// TestNothingOfAnotherAccountIsReached lets one person use every route that takes
// an id, and another, as good a customer, repeat each of those requests under a
// session of his own: all are refused as if the thing did not exist.
func TestNothingOfAnotherAccountIsReached(t *testing.T) {
	w := sandbox(t)
	r := new(recorder)
	owner := w.everything(r)
	other, _ := w.holder()
	d := w.deviceOf(other.Phone)

	all := routes(t, w.Server)
	last := r.last(all)
	for _, route := range all {
		if !strings.Contains(route, "{") || route == "GET /app/v1/platforms/{code}" { // the directory is everybody's
			continue
		}
		// Enterprises are public record; what their members reach is the matrix's.
		if _, path, _ := strings.Cut(route, " "); strings.HasPrefix(path, "/app/v1/enterprises/") || strings.HasPrefix(path, "/app/v1/invitations/") {
			continue
		}
		u, ok := last[route]
		if !ok && appMatrix[route].rule[stranger] != in {
			continue // matrix_test.go asks for somebody's
		}
		if !ok {
			t.Errorf("%s was not used by its owner: this test has to learn it", route)
			continue
		}
		theirs, nobodys := d.again(u, u.path), d.again(u, madeUp(route, u.path))
		if theirs.status < 400 || theirs.status >= 500 || theirs.status != nobodys.status || theirs.code != nobodys.code {
			t.Errorf("%s of another account: %d %s, and of nobody: %d %s", route, theirs.status, theirs.body, nobodys.status, nobodys.body)
		}
		if theirs.status != http.StatusNotFound && theirs.status != http.StatusForbidden && !slices.Contains(conflicts, route) {
			t.Errorf("%s of another account: %d %s", route, theirs.status, theirs.body)
		}
	}
	if a := d.sealed("/app/v1/enrolments", "", "", []byte(`{"kind":"sign","subject":"`+lastID(last, "POST /app/v1/pin/setup/{id}/proof")+`"}`)); a.status != http.StatusNotFound {
		t.Errorf("a key for another's subject: %d %s", a.status, a.body)
	}
	// Nothing was changed by trying.
	w.signs(owner)
	sound(t, w.house)
}

// conflicts answer what does not exist as what is over: their ids live only for
// minutes.
var conflicts = []string{"POST /app/v1/enrolments/{id}/key", "POST /app/v1/pin/change/{id}/flip"}

// again repeats a request under this session.
func (d *device) again(u used, path string) answer {
	d.Helper()
	var seal splitkey.SealedRequest
	if json.Unmarshal(u.body, &seal) != nil || len(seal.EK) == 0 {
		return d.do(u.method, path, contentType(path), u.body)
	}
	plain, err := json.Marshal(map[string]string{"nonceID": seal.NonceID})
	if err != nil {
		d.Fatal(err)
	}
	op := seal.OpID
	if op != "" {
		op = strings.Split(path, "/")[4] // the operation of the path
	}
	return d.sealed(path, op, seal.NonceID, plain)
}

// madeUp is the path of a use with an id that nobody has.
func madeUp(route, path string) string {
	_, shape, _ := strings.Cut(route, " ")
	parts, names := strings.Split(path, "/"), strings.Split(shape, "/")
	for i := range parts {
		if strings.HasPrefix(names[i], "{") {
			parts[i] = parts[i][:len(parts[i])-8] + "00000000"
			break // what hangs on it does not exist either
		}
	}
	return strings.Join(parts, "/")
}

func lastID(last map[string]used, route string) string {
	return strings.Split(strings.TrimPrefix(last[route].path, "/app/v1/"), "/")[2]
}

// everything lets one person use every route that takes an id, over a recorder.
func (w *world) everything(r *recorder) *journey.Person {
	w.Helper()
	ctx := w.Context()
	must := func(err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	recorded := func() *phone.Phone {
		p, err := phone.New(phone.Options{Server: w.Server, Sandbox: true, HTTP: &http.Client{Transport: r, Timeout: time.Minute}})
		must(err)
		return p
	}
	p := w.stranger()
	p.Phone = recorded()
	_, err := w.Enrol(ctx, p, app.SandboxInstitution, w.client.Code())
	must(err)
	certs, err := p.Phone.Certificates(ctx)
	must(err)
	raw := w.deviceOf(p.Phone)
	post := func(path string, in any) answer {
		w.Helper()
		a := raw.post("/app/v1"+path, in)
		if a.status >= 300 {
			w.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		b, _ := json.Marshal(in)
		r.add(http.MethodPost, "/app/v1"+path, b)
		return a
	}
	get := func(path string, into any) {
		w.Helper()
		a := raw.do(http.MethodGet, "/app/v1"+path, "", nil)
		a.into(w.T, into)
		r.add(http.MethodGet, "/app/v1"+path, nil)
	}
	empty := map[string]string{}

	// Orders: one cancelled, one refunded.
	o, err := p.Phone.Buy(ctx, app.SandboxInstitution, 1, w.client.Code())
	must(err)
	post("/orders/"+o.ID+"/cancel", empty)
	o, err = p.Phone.Buy(ctx, app.SandboxInstitution, 1, w.client.Code())
	must(err)
	_, err = w.PayFor(ctx, p, o, "pay")
	must(err)
	var bought struct{ Lines []struct{ ID string } }
	get("/orders/"+o.ID, &bought)
	post("/orders/"+o.ID+"/lines/"+bought.Lines[0].ID+"/refund", empty)

	// The certificate, scans, notices.
	var ignored map[string]any
	get("/certificates/"+certs[0].ID, &ignored)
	post("/certificates/"+certs[0].ID+"/check", empty)
	post("/certificates/"+certs[0].ID+"/revocation", map[string]string{"reason": "changed"}) // and never confirmed
	w.signs(p)
	s, err := w.Scanned(ctx, p, w.client, w.beginSign())
	must(err)
	_, err = p.Phone.Scan(ctx, s.ID)
	must(err)
	must(p.Phone.Reject(ctx, s))
	var notices struct{ Notices []struct{ ID string } }
	get("/notices", &notices)
	post("/notices/"+notices.Notices[0].ID+"/read", empty)
	var usage struct{ Records []struct{ ID string } }
	get("/usage", &usage)
	get("/usage/"+usage.Records[0].ID, &ignored)

	// A device that is signed out.
	w.advance(61 * time.Second)
	must(w.SignIn(ctx, p, recorded()))
	var devices struct {
		Devices []struct {
			ID      string
			Current bool
		}
	}
	get("/me/devices", &devices)
	for _, d := range devices.Devices {
		if d.Current {
			continue
		}
		if a := raw.do(http.MethodDelete, "/app/v1/me/devices/"+d.ID, "", nil); a.status >= 300 {
			w.Fatalf("signing a device out: %d %s", a.status, a.body)
		}
		r.add(http.MethodDelete, "/app/v1/me/devices/"+d.ID, nil)
	}

	must(p.Phone.ChangePIN(ctx, p.PIN, "730194"))
	p.PIN = "730194"
	w.spendBudget(p)
	var face struct{ ID string }
	post("/pin/face", empty).into(w.T, &face)
	if a := raw.do(http.MethodPut, "/app/v1/pin/face/"+face.ID+"/face", "video/mp4", journey.Video); a.status >= 300 {
		w.Fatalf("the face: %d %s", a.status, a.body)
	}
	r.add(http.MethodPut, "/app/v1/pin/face/"+face.ID+"/face", journey.Video)
	get("/pin/face/"+face.ID, &ignored)

	// A recovery that the old phone stops, and one that it confirms.
	for _, word := range []string{"stop", "confirm"} {
		w.advance(61 * time.Second)
		fresh := recorded()
		must(w.SignIn(ctx, p, fresh))
		ticket, code, err := w.Code(ctx, fresh, "recover", p.Number)
		must(err)
		rec, err := fresh.StartRecovery(ctx, ticket, code)
		must(err)
		_, err = fresh.SendFace(ctx, "/recoveries", rec.ID, journey.Video)
		must(err)
		_, err = fresh.AwaitRecovery(ctx, rec.ID, "suspended")
		must(err)
		post("/recoveries/"+rec.ID+"/"+word, empty)
		if word == "stop" {
			continue
		}
		must(fresh.ResetPIN(ctx, rec.ID, "640973", "640973"))
		p.Phone, p.PIN = fresh, "640973"
	}
	_, err = p.Phone.Install(ctx, certs[0].ID, p.PIN)
	must(err)
	r.add(http.MethodPost, "/app/v1/redealings/01a208e3cb297d1baa4780431f35c57e/delivery", []byte(`{"ek":"AA=="}`))

	// Another number, by face; last, because for three days it allows no re-key by SMS.
	raw = w.deviceOf(p.Phone)
	w.advance(61 * time.Second)
	number := w.stranger().Number
	ticket, code, err := w.Code(ctx, p.Phone, "phone-new", number)
	must(err)
	post("/phone/face", map[string]string{"newPhone": number, "newTicket": ticket, "newCode": code}).into(w.T, &face)
	if a := raw.do(http.MethodPut, "/app/v1/phone/face/"+face.ID+"/face", "video/mp4", journey.Video); a.status >= 300 {
		w.Fatalf("the face for a number: %d %s", a.status, a.body)
	}
	r.add(http.MethodPut, "/app/v1/phone/face/"+face.ID+"/face", journey.Video)
	get("/phone/face/"+face.ID, &ignored)
	p.Number = number
	return p
}

// spendBudget enters wrong PINs, never five in a row, until the month's budget is
// used up (docs/domain.md §3.8).
func (w *world) spendBudget(p *journey.Person) {
	w.Helper()
	for wrong := 0; wrong < 30; {
		_, s := w.confirmed(p)
		for range min(4, 30-wrong) {
			if _, err := p.Phone.Execute(w.Context(), s, "111222"); !phone.IsCode(err, "pin_wrong") {
				w.Fatalf("the wrong PIN %d: %v", wrong, err)
			}
			wrong++
		}
		if wrong == 30 {
			return
		}
		if _, err := p.Phone.Execute(w.Context(), s, p.PIN); err != nil {
			w.Fatal(err)
		}
	}
}

// Package sandbox is the outside world for demonstrations and tests: an SMS
// provider with a readable inbox, an identity checker whose next outcome can be
// set, and a clock that can be moved, as one real HTTP handler.
//
// It answers the wire formats of packages sms and idcheck, so everything but the
// people behind it is real. A production server has no such listener. Further
// fakes are mounted beside it with Handle. What happens is told to a Journal,
// which the panel's page follows.
package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/provider/idcheck"
	"tianweitong/internal/provider/sms"
)

// The base paths that the providers' clients are given, after the listener's address.
const (
	SMSBase     = "/sandbox/provider/sms"
	IDCheckBase = "/sandbox/provider/idcheck"
)

// Options are what a sandbox needs.
type Options struct {
	Clock clock.Clock
	// Key is the bearer token of the providers' clients; required.
	Key string
	// Journal hears what happens; nil makes one.
	Journal *Journal
	// Advance moves the house's clock; nil leaves /sandbox/clock out.
	Advance func(time.Duration)
}

// Sandbox serves /sandbox/…. It is safe for concurrent use; all it holds is in
// memory.
type Sandbox struct {
	o   Options
	mux *http.ServeMux

	mu       sync.Mutex
	messages []Text
	refs     map[string]bool
	outcomes []Outcome
	verdicts map[string]idcheck.Verdict
	checks   []Check
}

// Text is a delivered SMS as the inbox shows it.
type Text struct {
	Ref      string            `json:"ref"`
	Phone    string            `json:"phone"`
	Template string            `json:"template"`
	Params   map[string]string `json:"params"`
	// Body is what the phone would show.
	Body string    `json:"body"`
	At   time.Time `json:"at"`
}

// Check is an identity check that was charged, as the panel shows it.
type Check struct {
	Ref string `json:"ref"`
	// Kind names the provider's product, such as "factors", "cards", "faces" or
	// "enterprises"; there IDNumber is the credit code.
	Kind     string    `json:"kind"`
	Name     string    `json:"name"`
	IDNumber string    `json:"idNumber"`
	Phone    string    `json:"phone,omitempty"`
	Outcome  Outcome   `json:"outcome"`
	At       time.Time `json:"at"`
}

// Outcome is what becomes of an identity check.
type Outcome string

// The outcomes. A check that times out was received and passes: whoever asks again
// by its reference learns that.
const (
	Approve Outcome = "approve"
	Refuse  Outcome = "refuse"
	Timeout Outcome = "timeout"
)

// How many messages and checks are kept.
const (
	inbox      = 1000
	keptChecks = 200
)

// New makes a sandbox.
func New(o Options) *Sandbox {
	if o.Journal == nil {
		o.Journal = NewJournal(o.Clock)
	}
	s := &Sandbox{o: o, mux: http.NewServeMux(), refs: map[string]bool{}, verdicts: map[string]idcheck.Verdict{}}
	s.mux.HandleFunc("POST "+SMSBase+sms.Path, s.provider(s.takeMessage))
	s.mux.HandleFunc("PUT "+IDCheckBase+idcheck.FactorsPath+"{ref}", s.provider(s.checkFactors))
	s.mux.HandleFunc("PUT "+IDCheckBase+idcheck.CardsPath+"{ref}", s.provider(s.checkCard))
	s.mux.HandleFunc("PUT "+IDCheckBase+idcheck.FacesPath+"{ref}", s.provider(s.checkFace))
	s.mux.HandleFunc("GET "+IDCheckBase+idcheck.FacesPath+"{ref}", s.provider(s.showFace))
	s.mux.HandleFunc("PUT "+IDCheckBase+idcheck.EnterprisesPath+"{ref}", s.provider(s.checkEnterprise))
	s.mux.HandleFunc("GET /sandbox/sms", s.listMessages)
	s.mux.HandleFunc("GET /sandbox/idcheck", s.showChecks)
	s.mux.HandleFunc("POST /sandbox/idcheck/next", s.setNext)
	s.mux.HandleFunc("DELETE /sandbox/idcheck/next", s.clearNext)
	s.mux.Handle("GET /sandbox/events", o.Journal)
	s.mux.HandleFunc("GET /sandbox/clock", s.showClock)
	if o.Advance != nil {
		s.mux.HandleFunc("POST /sandbox/clock", s.advance)
	}
	return s
}

// Handle mounts a further fake; the pattern is http.ServeMux's.
func (s *Sandbox) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// ServeHTTP implements http.Handler.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// provider guards what only the house's clients call.
func (s *Sandbox) provider(h http.HandlerFunc) http.HandlerFunc {
	want := []byte("Bearer " + s.o.Key)
	return func(w http.ResponseWriter, r *http.Request) {
		if s.o.Key == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h(w, r)
	}
}

func read(r *http.Request, into any) bool {
	b, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	return err == nil && json.Unmarshal(b, into) == nil
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func bad(w http.ResponseWriter, why string) {
	write(w, http.StatusBadRequest, map[string]string{"error": why})
}

func (s *Sandbox) takeMessage(w http.ResponseWriter, r *http.Request) {
	var m sms.Message
	if !read(r, &m) || m.Ref == "" || m.Phone == "" || m.Template == "" {
		bad(w, "the message needs ref, phone and template")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.refs[m.Ref] {
		s.refs[m.Ref] = true
		s.messages = append(s.messages, Text{
			Ref: m.Ref, Phone: m.Phone, Template: m.Template, Params: m.Params, Body: body(m.Template, m.Params), At: s.o.Clock.Now(),
		})
		s.messages = s.messages[max(0, len(s.messages)-inbox):]
		s.o.Journal.Note(Event{Kind: "sms.delivered", Subject: m.Phone, Data: map[string]string{"template": m.Template}})
	}
	write(w, http.StatusAccepted, struct{}{})
}

// listMessages shows the inbox of a phone, or of all, newest first.
func (s *Sandbox) listMessages(w http.ResponseWriter, r *http.Request) {
	phone := r.URL.Query().Get("phone")
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Text{}
	for i := len(s.messages) - 1; i >= 0; i-- {
		if phone == "" || s.messages[i].Phone == phone {
			out = append(out, s.messages[i])
		}
	}
	write(w, http.StatusOK, out)
}

func (s *Sandbox) checkFactors(w http.ResponseWriter, r *http.Request) {
	var f idcheck.Factors
	if !read(r, &f) || f.Name == "" || f.IDNumber == "" || f.Phone == "" {
		bad(w, "the check needs name, idNumber and phone")
		return
	}
	s.decide(w, Check{Kind: "factors", Ref: r.PathValue("ref"), Name: f.Name, IDNumber: f.IDNumber, Phone: f.Phone}, idcheck.ReasonFactors)
}

func (s *Sandbox) checkCard(w http.ResponseWriter, r *http.Request) {
	var c idcheck.Card
	if !read(r, &c) || c.Name == "" || c.IDNumber == "" || c.Phone == "" || c.BankCard == "" {
		bad(w, "the check needs name, idNumber, phone and bankCard")
		return
	}
	s.decide(w, Check{Kind: "cards", Ref: r.PathValue("ref"), Name: c.Name, IDNumber: c.IDNumber, Phone: c.Phone}, idcheck.ReasonCard)
}

func (s *Sandbox) checkFace(w http.ResponseWriter, r *http.Request) {
	form, err := r.MultipartReader()
	if err != nil {
		bad(w, "the check is not a form")
		return
	}
	var p idcheck.Person
	var video int64
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			bad(w, "the form is cut off")
			return
		}
		switch part.FormName() {
		case idcheck.FieldPerson:
			err = json.NewDecoder(part).Decode(&p)
		case idcheck.FieldVideo:
			video, err = io.Copy(io.Discard, part)
		}
		if err != nil {
			bad(w, "the form cannot be read")
			return
		}
	}
	if p.Name == "" || p.IDNumber == "" || video == 0 {
		bad(w, "the check needs a person and a video")
		return
	}
	s.decide(w, Check{Kind: "faces", Ref: r.PathValue("ref"), Name: p.Name, IDNumber: p.IDNumber}, idcheck.ReasonFace)
}

// decide answers a check: a reference that is known as before, a new one by the
// next outcome that was set. reason is what a refusal says.
func (s *Sandbox) decide(w http.ResponseWriter, c Check, reason string) {
	v, outcome := s.settle(c, reason, Approve)
	if outcome == Timeout {
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	}
	write(w, http.StatusOK, v)
}

// settle charges a check unless its reference is known. otherwise is the outcome
// when none was set.
func (s *Sandbox) settle(c Check, reason string, otherwise Outcome) (idcheck.Verdict, Outcome) {
	ref := c.Kind + "/" + c.Ref
	s.mu.Lock()
	defer s.mu.Unlock()
	v, known := s.verdicts[ref]
	if known {
		return v, Approve
	}
	outcome := otherwise
	if len(s.outcomes) > 0 && otherwise == Approve {
		outcome, s.outcomes = s.outcomes[0], s.outcomes[1:]
	}
	if v.Passed = outcome != Refuse; !v.Passed {
		v.Reason = reason
	}
	s.verdicts[ref] = v
	c.Outcome, c.At = outcome, s.o.Clock.Now()
	s.checks = append(s.checks, c)
	s.checks = s.checks[max(0, len(s.checks)-keptChecks):]
	s.o.Journal.Note(Event{Kind: "check." + string(outcome), Subject: c.Name, Data: map[string]string{"product": c.Kind}})
	return v, outcome
}

func (s *Sandbox) showFace(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, known := s.verdicts["faces/"+r.PathValue("ref")]
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	write(w, http.StatusOK, v)
}

func (s *Sandbox) setNext(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Outcome Outcome `json:"outcome"`
	}
	if !read(r, &in) || in.Outcome != Approve && in.Outcome != Refuse && in.Outcome != Timeout {
		bad(w, "outcome is approve, refuse or timeout")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes = append(s.outcomes, in.Outcome)
	s.o.Journal.Note(Event{Kind: "check.set", Subject: string(in.Outcome)})
	w.WriteHeader(http.StatusNoContent)
}

// clearNext forgets the outcomes that were set: checks pass again.
func (s *Sandbox) clearNext(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes = nil
	s.o.Journal.Note(Event{Kind: "check.set", Subject: "clear"})
	w.WriteHeader(http.StatusNoContent)
}

// showChecks tells how many checks were charged, each reference once, what was
// set for the next ones, and the last checks, newest first.
func (s *Sandbox) showChecks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := append([]Check{}, s.checks...)
	slices.Reverse(recent)
	write(w, http.StatusOK, map[string]any{"charged": len(s.verdicts), "next": append([]Outcome{}, s.outcomes...), "recent": recent})
}

// showClock tells the house's time and whether it can be moved.
func (s *Sandbox) showClock(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{"now": s.o.Clock.Now(), "movable": s.o.Advance != nil})
}

// decade is the longest jump of the clock; Duration ends at 292 years.
const decade = 10 * 366 * 24 * 60 * 60

func (s *Sandbox) advance(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Seconds int64 `json:"advanceSeconds"`
	}
	if !read(r, &in) || in.Seconds < 1 || in.Seconds > decade {
		bad(w, "advanceSeconds is a number of seconds, at most ten years")
		return
	}
	s.o.Advance(time.Duration(in.Seconds) * time.Second)
	s.o.Journal.Note(Event{Kind: "clock.moved", Data: map[string]string{"seconds": strconv.FormatInt(in.Seconds, 10)}})
	write(w, http.StatusOK, map[string]time.Time{"now": s.o.Clock.Now()})
}

package site

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"tianweitong/platform"
)

const (
	sessionLife = 30 * time.Minute // of one that is logged in
	visitLife   = 3 * time.Minute  // from asking for a code to logging in
	maxSessions = 10_000
)

// session is one browser. Its secret is the cookie's value: a result of a scan
// serves only the browser that holds it.
type session struct {
	secret []byte
	ends   time.Time

	mu       sync.Mutex
	identity *platform.Identity // nil: not logged in
	letter   []byte             // the bid letter of the one who is logged in
	pending  map[platform.Type]platform.Transaction
	receipt  *receipt
}

func (n *session) user() *platform.Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity
}

func (n *session) text() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.letter
}

func (n *session) begin(tx platform.Transaction) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[tx.Type] = tx
}

func (n *session) transaction(kind platform.Type) (platform.Transaction, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	tx, ok := n.pending[kind]
	return tx, ok
}

func (n *session) keep(r *receipt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.receipt = r
}

func (n *session) kept() *receipt {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.receipt
}

// sessions live in this process's memory, under the digest of their secret.
type sessions struct {
	clock  platform.Clock
	rand   io.Reader
	secure bool // the site is reached by https
	mu     sync.Mutex
	all    map[[sha256.Size]byte]*session
}

// cookie is the session's. By https its name begins with __Host-: a browser
// takes such a cookie from this host alone, by https, for the whole site
// (RFC 6265bis §4.1.3.2), so that a sibling host cannot plant one before the
// login and share the session afterwards. By http nothing keeps it out.
func (s *sessions) cookie(value string) *http.Cookie {
	c := &http.Cookie{Name: "site", Value: value, Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
	if s.secure {
		c.Name = "__Host-site"
	}
	return c
}

// of finds the session of a request, or nil.
func (s *sessions) of(r *http.Request) *session {
	c, err := r.Cookie(s.cookie("").Name)
	if err != nil {
		return nil
	}
	secret, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	key := sha256.Sum256(secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.all[key]
	if n == nil || !s.clock.Now().Before(n.ends) {
		delete(s.all, key)
		return nil
	}
	return n
}

// start begins a session in place of the request's old one: logging in changes
// the secret, so that what was seen of it before is worth nothing. who is the
// verified holder, or nil before the login, and letter his bid letter, which from
// then on is what the page shows and what is signed, byte for byte.
func (s *sessions) start(w http.ResponseWriter, r *http.Request, who *platform.Identity, letter []byte) (*session, error) {
	life := visitLife
	if who != nil {
		life = sessionLife
	}
	n := &session{secret: make([]byte, 32), ends: s.clock.Now().Add(life), identity: who, letter: letter,
		pending: map[platform.Type]platform.Transaction{}}
	if _, err := io.ReadFull(s.rand, n.secret); err != nil {
		return nil, fmt.Errorf("site: session: %w", err)
	}
	s.end(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(); err != nil {
		return nil, err
	}
	if s.all == nil {
		s.all = map[[sha256.Size]byte]*session{}
	}
	s.all[sha256.Sum256(n.secret)] = n
	http.SetCookie(w, s.cookie(base64.RawURLEncoding.EncodeToString(n.secret)))
	return n, nil
}

// room makes room for one more session: those that ended go, then the oldest
// that has not logged in. Asking for codes puts nobody out who is logged in.
func (s *sessions) room() error {
	if len(s.all) < maxSessions {
		return nil
	}
	var oldest [sha256.Size]byte
	var ends time.Time
	for k, old := range s.all {
		if !s.clock.Now().Before(old.ends) {
			delete(s.all, k)
		} else if old.user() == nil && (ends.IsZero() || old.ends.Before(ends)) {
			oldest, ends = k, old.ends
		}
	}
	if len(s.all) < maxSessions {
		return nil
	}
	if ends.IsZero() {
		return fmt.Errorf("site: %d sessions are open", len(s.all))
	}
	delete(s.all, oldest)
	return nil
}

// end forgets the session of a request.
func (s *sessions) end(r *http.Request) {
	if n := s.of(r); n != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, sha256.Sum256(n.secret))
	}
}

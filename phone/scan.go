package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/pki/wire"
	"tianweitong/splitkey"
)

// Scan is a scan transaction as the phone shows it (2.8): who asks, from where,
// for what, and which certificates fit.
type Scan struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	State     string    `json:"state"`
	Outcome   string    `json:"outcome"`
	Title     string    `json:"title"`
	ExpiresAt time.Time `json:"expiresAt"`
	AskCode   bool      `json:"askCode"`
	Platform  struct {
		Code   string `json:"code"`
		Name   string `json:"name"`
		Region string `json:"region"`
		Host   string `json:"host"`
	} `json:"platform"`
	Document *struct {
		Name   string `json:"name"`
		Size   int64  `json:"size"`
		Digest []byte `json:"digest"`
	} `json:"document"`
	Gate         string `json:"gate"`
	Certificates []struct {
		Certificate string `json:"certificate"`
		Serial      string `json:"serial"`
		Gate        string `json:"gate"`
		Default     bool   `json:"default"`
	} `json:"certificates"`
	OpID string `json:"opID"`
	// chosen is the certificate that Confirm was given.
	chosen string
}

// same reports whether two views show the user the same: who asks, and for what.
func (s Scan) same(t Scan) bool {
	if s.ID != t.ID || s.Type != t.Type || s.Title != t.Title || s.Platform != t.Platform || (s.Document == nil) != (t.Document == nil) {
		return false
	}
	d, e := s.Document, t.Document
	return d == nil || d.Name == e.Name && d.Size == e.Size && bytes.Equal(d.Digest, e.Digest)
}

// Chosen is the certificate that the server would take, or the first usable one.
func (s Scan) Chosen() (string, bool) {
	first := ""
	for _, c := range s.Certificates {
		if c.Gate != "OK" {
			continue
		}
		if c.Default {
			return c.Certificate, true
		}
		if first == "" {
			first = c.Certificate
		}
	}
	return first, first != ""
}

// ErrNotQR says that a code's text is not one of ours.
var ErrNotQR = errors.New("phone: this is not a QR code of the service")

// ScanQR posts what the camera read (扫一扫). The first device that scans a
// transaction binds it.
func (p *Phone) ScanQR(ctx context.Context, text string) (Scan, error) {
	if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
		return Scan{}, ErrNotQR
	}
	var s Scan
	return s, p.post(ctx, "/scans", map[string]string{"qr": text}, &s)
}

// Scan asks how a transaction stands.
func (p *Phone) Scan(ctx context.Context, id string) (Scan, error) {
	var s Scan
	return s, p.get(ctx, "/scans/"+id, &s)
}

// Reject refuses a transaction.
func (p *Phone) Reject(ctx context.Context, s Scan) error {
	return p.post(ctx, "/scans/"+s.ID+"/reject", nil, nil)
}

// Confirm chooses the certificate and, where it is asked, types the
// verification code that the platform's page shows. A wrong code ends the
// transaction. The answer has to show what s showed, else ErrMismatch: the PIN
// is entered for what was read.
func (p *Phone) Confirm(ctx context.Context, s Scan, certificate, code string) (Scan, error) {
	in := map[string]string{"certificate": certificate}
	if code != "" {
		in["code"] = code
	}
	var out Scan
	if err := p.post(ctx, "/scans/"+s.ID+"/confirm", in, &out); err != nil {
		return Scan{}, err
	}
	if !out.same(s) {
		return Scan{}, fmt.Errorf("%w: the transaction is no longer the one shown", ErrMismatch)
	}
	out.chosen = certificate
	return out, nil
}

// Signed is a signature that this phone made and verified.
type Signed struct {
	OpID      string `json:"opID"`
	M         []byte `json:"m"`
	Signature []byte `json:"signature"` // DER SEQUENCE{r,s}
}

// Execute enters the PIN for a confirmed transaction: login or sign. M is held
// against what the transaction shows before anything is signed (docs/split-keys.md
// §2.2, step 2).
func (p *Phone) Execute(ctx context.Context, s Scan, pin string) (Signed, error) {
	return p.execute(ctx, s, p.Enter(pin))
}

func (p *Phone) execute(ctx context.Context, s Scan, e *Entry) (Signed, error) {
	defer e.Wipe()
	var shown Offer
	sig, err := p.sign(ctx, s.OpID, e, splitkey.PurposeSign, func(o Offer) error {
		shown = o
		return p.shows(s, o)
	})
	if err != nil {
		return Signed{}, err
	}
	der, err := sig.DER()
	return Signed{OpID: s.OpID, M: shown.M, Signature: der}, err
}

// shows checks that M is what the screen says.
func (p *Phone) shows(s Scan, o Offer) error {
	if s.chosen != "" {
		h, ok := p.state.held(s.chosen)
		if !ok {
			return ErrKeyLost
		}
		if h.SignKey != o.KeyID {
			return fmt.Errorf("%w: the key of another certificate", ErrMismatch)
		}
	}
	switch s.Type {
	case "login":
		m, err := splitkey.ParseLoginMessage(o.M)
		if err != nil {
			return errors.Join(ErrMismatch, err)
		}
		if o.ID != splitkey.IDLogin || m.Platform != s.Platform.Code || m.Host != s.Platform.Host || m.Transaction != s.ID {
			return fmt.Errorf("%w: a login elsewhere", ErrMismatch)
		}
		return p.current(time.Unix(m.Time, 0))
	case "sign":
		return p.showsDocument(s, o)
	}
	return fmt.Errorf("%w: unknown business %q", ErrMismatch, s.Type)
}

// maxSkew is how far the time in what is signed may be from the phone's.
const maxSkew = 10 * time.Minute

func (p *Phone) current(t time.Time) error {
	if p.now().Sub(t).Abs() > maxSkew {
		return fmt.Errorf("%w: of another time", ErrMismatch)
	}
	return nil
}

// showsDocument: M is the document itself, or for a large one the attributes
// that name it, its signer's certificate and the time; the digest is the one on
// the screen.
func (p *Phone) showsDocument(s Scan, o Offer) error {
	if o.ID != splitkey.IDDocument || s.Document == nil {
		return fmt.Errorf("%w: not a document", ErrMismatch)
	}
	if s.Document.Size > splitkey.MaxMessage {
		a, err := wire.ParseSignedAttributes(p.Arc, o.M)
		if err != nil {
			return errors.Join(ErrMismatch, err)
		}
		if !a.ContentType.Equal(wire.OIDGMData) || a.Document == nil || a.Document.Name != s.Document.Name || a.Document.Size != s.Document.Size || !bytes.Equal(a.Digest, s.Document.Digest) {
			return fmt.Errorf("%w: another document", ErrMismatch)
		}
		h, ok := p.state.signer(o.KeyID)
		signer := sm3.Sum(h.SignCertificate)
		if !ok || !bytes.Equal(a.SignerHash, signer[:]) {
			return fmt.Errorf("%w: a document under another certificate", ErrMismatch)
		}
		return p.current(a.Time)
	}
	if err := splitkey.CheckDocument(o.M); err != nil {
		return errors.Join(ErrMismatch, err)
	}
	sum := sm3.Sum(o.M)
	if int64(len(o.M)) != s.Document.Size || !bytes.Equal(sum[:], s.Document.Digest) {
		return fmt.Errorf("%w: another document", ErrMismatch)
	}
	return nil
}

package platform

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

type stopped time.Time

func (s stopped) Now() time.Time { return time.Time(s) }

var noon = stopped(time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC))

func offline() *Client {
	return &Client{code: "M1100000034", host: "bid.example", clock: noon, own: &smx509.Certificate{Raw: []byte("own")}}
}

// FuzzCallback: whatever a signed body says, what is handed over is for this
// platform, this address and now.
func FuzzCallback(f *testing.F) {
	v := offline().Receiver("https://bid.example/notify", nil)
	good, err := json.Marshal(wireCallback{
		Platform: "M1100000034", URL: v.URL, TID: "M1100000034" + strings.Repeat("a", 32), Seq: 1, Type: TypeLogin,
		State: Executed, Time: noon.Now(), Nonce: strings.Repeat("0", 32), Recipient: v.recipient,
	})
	if err != nil {
		f.Fatal(err)
	}
	if _, _, err := v.decode(good, noon.Now()); err != nil {
		f.Fatalf("the honest seed is refused: %v", err)
	}
	for _, seed := range []string{string(good), "", "{}", "null", `[]`, `{"seq":1e999}`, `{"time":"x"}`, `{"recipient":"!"}`,
		strings.Replace(string(good), `"seq":1`, `"seq":-1`, 1), strings.Replace(string(good), "EXECUTED", "X", 1), string(good) + "{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		cb, nonce, err := v.decode(body, noon.Now())
		if err != nil {
			return
		}
		if !v.client.owns(cb.ID) || !cb.State.known() || cb.Seq < 1 || len(nonce) < 16 || cb.Time.Sub(noon.Now()).Abs() > MaxSkew {
			t.Errorf("accepted %+v, nonce %q", cb, nonce)
		}
	})
}

// FuzzResult: no bytes of a reply crash the verification, and without a root
// none is believed.
func FuzzResult(f *testing.F) {
	c := offline()
	tx := Transaction{ID: c.code + strings.Repeat("a", 32), Type: TypeSign, Whole: true, Begun: noon.Now()}
	for _, seed := range []string{"{}", "null", `{"state":"EXECUTED","result":{}}`,
		`{"tId":"` + tx.ID + `","type":"sign","state":"EXECUTED","result":{"code":"OK","certificate":"MAA=","m":"AA==","signature":"MAA=","timestamp":"MAA=","chain":["MAA="]}}`,
		`{"tId":"` + tx.ID + `","type":"sign","state":"SCANNED","code":"4821","scannedAt":"2026-03-31T12:00:00Z"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var w wireStatus
		if decode(bytes.NewReader(body), maxReply, &w) != nil {
			return
		}
		s, err := statusOf(tx, w)
		if err == nil && s.Code != "" && (s.State != Scanned || len(s.Code) != 4) {
			t.Errorf("code %q in state %s", s.Code, s.State)
		}
		if w.Result == nil {
			return
		}
		if r, err := c.accept(t.Context(), tx, *w.Result); err == nil {
			t.Errorf("believed %+v", r)
		}
	})
}

// FuzzEvents: any stream ends, and no event is larger than the limit.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{"", "event: state\ndata: {}\n\n", "data: x\n\n", ": beat\n\n", "event: state\r\ndata: {}\r\n\r\n",
		"event: state\ndata: a\ndata: b\n\n", "event:state\ndata:x\n\nevent: state\ndata: y\n\n", "event: state\n\n", strings.Repeat("x", maxEvent+1)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		n := 0
		err := readEvents(bytes.NewReader(stream), func() {}, func(data []byte) (bool, error) {
			if n++; len(data) == 0 || len(data) > maxEvent+1 {
				t.Errorf("event of %d bytes", len(data))
			}
			return n < 3, nil
		})
		if (err == nil) != (n == 3) || err != nil && !errors.Is(err, errBroken) && !errors.Is(err, ErrReply) {
			t.Errorf("ended with %v after %d events", err, n)
		}
	})
}

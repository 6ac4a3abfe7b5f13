package platformapi_test

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/platformapi/doortest"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

func TestTransactionOverTheWire(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		begun := s.ok(201, s.call("POST", "/transactions", loginBody("")))
		if got := slices.Sorted(maps.Keys(begun.json)); !slices.Equal(got, []string{"expiresAt", "seq", "state", "tId"}) {
			t.Errorf("created has %v", got)
		}
		if begun.json["state"] != "CREATED" || begun.json["seq"] != 1.0 || begun.json["expiresAt"] != s.Clock.Now().Add(2*time.Minute).Format(time.RFC3339) {
			t.Errorf("created %s", begun.raw)
		}
		tid := begun.json["tId"].(string)
		qr := s.ok(200, s.get("/transactions/"+tid+"/qr"))
		if got := slices.Sorted(maps.Keys(qr.json)); !slices.Equal(got, []string{"expiresAt", "rotatesAt", "text"}) || !strings.HasPrefix(qr.json["text"].(string), "https://app.example/s#k=") {
			t.Errorf("qr %s", qr.raw)
		}
		if a := s.ok(200, s.get("/transactions/"+tid)); !slices.Equal(slices.Sorted(maps.Keys(a.json)), []string{"state", "tId", "type"}) {
			t.Errorf("waiting %s", a.raw)
		}
		s.scanned(tid)
		seen := s.ok(200, s.get("/transactions/"+tid))
		if code, _ := seen.json["code"].(string); seen.json["state"] != "SCANNED" || len(code) != 4 || seen.json["scannedAt"] == nil {
			t.Errorf("scanned %s", seen.raw)
		}
		confirmed, err := s.Scans.Confirm(t.Context(), s.holder.Holder, tid, s.cert, seen.json["code"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Door.Enter(t.Context(), s.holder.Holder, confirmed.OpID); err != nil {
			t.Fatal(err)
		}
		done := s.ok(200, s.get("/transactions/"+tid))
		var got struct {
			State  string `json:"state"`
			Result struct {
				Code     string `json:"code"`
				Identity struct{ Kind, Holder, Name string }
				Cert     []byte   `json:"certificate"`
				Chain    [][]byte `json:"chain"`
				M        []byte   `json:"m"`
				Sig      []byte   `json:"signature"`
				TSR      []byte   `json:"timestamp"`
				SignedAt time.Time
			} `json:"result"`
		}
		if err := json.Unmarshal(done.raw, &got); err != nil {
			t.Fatal(err)
		}
		r := got.Result
		if got.State != "EXECUTED" || r.Code != "OK" || r.Identity.Kind != "person" || r.Identity.Holder != s.holder.ID || r.Identity.Name != "王测试" ||
			len(r.Cert) == 0 || len(r.Chain) != 2 || !bytes.Equal(r.M, s.Door.Operation(confirmed.OpID).M) || len(r.Sig) == 0 || len(r.TSR) == 0 || r.SignedAt.IsZero() {
			t.Errorf("executed %s", done.raw)
		}
	})
}

func TestUnsignedAndWronglySignedRequestsAreRefused(t *testing.T) {
	s := lite(t)
	other := s.NewPlatform(2)
	stranger := s.NewPlatform(3)
	stranger.Code = "M1199999999"
	closed := s.NewPlatform(4)
	closed.Active = false
	s.Directory.Put(closed.Platform)
	listed := s.NewPlatform(5)
	listed.SignCertificate = nil
	s.Directory.Put(listed.Platform)
	tid := s.begin(loginBody(""))
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del(name)
			if value != "" {
				r.Header.Set(name, value)
			}
		}
	}
	by := func(p doortest.Platform) func(*call) { return func(c *call) { c.by = p } }
	spoil := func(f func(*http.Request)) func(*call) { return func(c *call) { c.spoil = f } }
	for name, c := range map[string]struct {
		edit func(*call)
		code string
	}{
		"no platform":             {spoil(header("Twt-Platform", "")), "request_unsigned"},
		"no time":                 {spoil(header("Twt-Time", "")), "request_unsigned"},
		"time in words":           {spoil(header("Twt-Time", "now")), "request_unsigned"},
		"no nonce":                {spoil(header("Twt-Nonce", "")), "request_unsigned"},
		"short nonce":             {func(c *call) { c.nonce = c.nonce[2:] }, "request_unsigned"},
		"no signature":            {spoil(header("Twt-Signature", "")), "request_unsigned"},
		"signature of nothing":    {spoil(header("Twt-Signature", "MAA=")), "request_unsigned"},
		"signature not base64":    {spoil(header("Twt-Signature", "*")), "request_unsigned"},
		"another nonce":           {spoil(header("Twt-Nonce", strings.Repeat("a", 32))), "request_unsigned"},
		"another audience":        {func(c *call) { c.audience = "open.example" }, "request_unsigned"},
		"another platform's key":  {func(c *call) { c.by.Sign = other.Sign }, "request_unsigned"},
		"another platform's name": {spoil(header("Twt-Platform", other.Code)), "request_unsigned"},
		"unknown platform":        {by(stranger), "request_platform"},
		"closed platform":         {by(closed), "request_platform"},
		"platform without a key":  {by(listed), "request_platform"},
		"altered query":           {spoil(func(r *http.Request) { r.URL.RawQuery = "x=1" }), "request_unsigned"},
		"altered path":            {spoil(func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, tid, tid[:42]+otherDigit(tid[42]), 1) }), "request_unsigned"},
	} {
		t.Run(name, func(t *testing.T) {
			q := s.get("/transactions/" + tid)
			c.edit(&q)
			s.refused(401, c.code, q)
		})
	}
	t.Run("altered body", func(t *testing.T) {
		q := s.call("POST", "/transactions", loginBody(""))
		q.spoil = func(r *http.Request) {
			b := []byte(strings.Replace(q.body, "示例", "某某", 1))
			*r = *r.Clone(r.Context())
			r.Body = http.NoBody
			r2, _ := http.NewRequest("POST", r.URL.String(), bytes.NewReader(b))
			r.Body, r.ContentLength, r.GetBody = r2.Body, r2.ContentLength, r2.GetBody
		}
		s.refused(401, "request_unsigned", q)
	})
	t.Run("altered method", func(t *testing.T) {
		q := s.get("/transactions/" + tid + "/cancel")
		q.spoil = func(r *http.Request) { r.Method = "POST" }
		s.refused(401, "request_unsigned", q)
	})
	if a := s.ok(200, s.get("/transactions/"+tid)); a.json["state"] != "CREATED" {
		t.Errorf("it is %s now", a.raw)
	}
}

// otherDigit is a hexadecimal digit that c is not.
func otherDigit(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}

func TestRequestTimeMayBeFiveMinutesOff(t *testing.T) {
	s := lite(t)
	for off, ok := range map[time.Duration]bool{
		5 * time.Minute: true, -5 * time.Minute: true, 5*time.Minute + time.Millisecond: false, -5*time.Minute - time.Millisecond: false,
	} {
		q := s.get("/platform")
		q.at = q.at.Add(off)
		if ok {
			s.ok(200, q)
			continue
		}
		s.refused(401, "request_clock", q)
		if a := s.do(q); a.json["serverTime"] != s.Clock.Now().Format(time.RFC3339) {
			t.Errorf("no server time in %s", a.raw)
		}
	}
	s.Clock.Advance(6 * 365 * 24 * time.Hour)
	s.refused(401, "request_platform", s.get("/platform")) // its certificate has ended
}

func TestReplayedRequestsAreRefused(t *testing.T) {
	s := lite(t)
	tid := s.begin(loginBody(""))
	q := s.get("/transactions/" + tid)
	s.ok(200, q)
	s.refused(409, "request_replayed", q)

	cancel := s.post("/transactions/" + tid + "/cancel")
	if a := s.ok(200, cancel); a.json["state"] != "CANCELLED" {
		t.Fatalf("cancelled: %s", a.raw)
	}
	s.refused(409, "request_replayed", cancel)
	again := s.post("/transactions/" + tid + "/cancel")
	s.ok(200, again)

	// A nonce of one request serves no other, and not after a restart either.
	create := s.call("POST", "/transactions", loginBody(""))
	create.nonce = again.nonce
	s.refused(409, "request_replayed", create)

	// Others do not use up a platform's nonces.
	fresh := s.get("/platform")
	forged := fresh
	forged.by.Sign = s.NewPlatform(2).Sign
	s.refused(401, "request_unsigned", forged)
	s.ok(200, fresh)

	// What was kept of the window goes with its time, and so does the request's.
	s.Clock.Advance(11 * time.Minute)
	s.refused(401, "request_clock", fresh)
	s.ok(200, s.get("/platform"))
}

func TestCreationIsRepeatableByItsNonce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		q := s.call("POST", "/transactions", signBody([]byte("投标函"), ""))
		var mu sync.Mutex
		ids := map[string]int{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				a := s.do(q)
				mu.Lock()
				defer mu.Unlock()
				if a.status != 201 {
					t.Errorf("%d %s", a.status, a.raw)
					return
				}
				ids[a.json["tId"].(string)]++
			})
		}
		wg.Wait()
		if len(ids) != 1 {
			t.Fatalf("one request made %v", ids)
		}
		other := q
		other.body = loginBody("")
		s.refused(409, "request_replayed", other)
	})
}

func TestPlatformReachesItsOwnTransactionsAlone(t *testing.T) {
	s := lite(t)
	tid := s.begin(loginBody(""))
	other := s.NewPlatform(2)
	for _, q := range []call{
		s.get("/transactions/" + tid), s.get("/transactions/" + tid + "/qr"), s.get("/transactions/" + tid + "/events"), s.post("/transactions/" + tid + "/cancel"),
		s.get("/transactions/" + s.platform.Code + strings.Repeat("0", 32)),
	} {
		q.by = other
		s.refused(404, "scan_not_found", q)
	}
	s.ok(200, s.get("/transactions/"+tid))
}

func TestUnfitBodiesAreRefused(t *testing.T) {
	s := lite(t)
	der, err := asn1.Marshal([]int{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"not JSON":          {"{", 400, "request_malformed"},
		"unknown field":     {loginBody(`,"x":1`), 422, "request_malformed"},
		"unknown type":      {strings.Replace(loginBody(""), `"login"`, `"seal"`, 1), 422, "request_malformed"},
		"no login":          {strings.Replace(loginBody(""), `"login":{`, `"sign":{"name":"x",`, 1), 422, "request_malformed"},
		"both":              {loginBody(`,"sign":{"name":"x"}`), 422, "transaction_invalid"},
		"title of nothing":  {strings.Replace(loginBody(""), "登录示例平台", "", 1), 422, "request_malformed"},
		"binding of 3":      {strings.Replace(loginBody(""), b64(make([]byte, 32)), "AAAA", 1), 422, "transaction_invalid"},
		"not base64":        {strings.Replace(loginBody(""), b64(challenge), "***", 1), 422, "request_malformed"},
		"callback outside":  {loginBody(`,"notifyPath":"@evil.example/"`), 422, "notify_path_invalid"},
		"document is DER":   {signBody(der, ""), 422, "document_refused"},
		"document is large": {signBody(bytes.Repeat([]byte("a"), 4<<20+1), ""), 422, "document_refused"},
		"body is large":     {signBody(bytes.Repeat([]byte("a"), 5<<20), ""), 413, "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) { s.refused(c.status, c.code, s.call("POST", "/transactions", c.body)) })
	}
	tid := s.begin(signBody(bytes.Repeat([]byte("a"), 4<<20), ""))
	q := s.post("/transactions/" + tid + "/cancel")
	q.body = strings.Repeat(" ", 17<<10)
	s.refused(413, "body_too_large", q)
}

// Every route of the OpenAPI document, and everything beside it, is shut to those
// who do not sign.
func TestNothingIsOpenByDefault(t *testing.T) {
	s := lite(t)
	resp, err := http.Get(s.http.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) != 7 {
		t.Fatalf("OpenAPI %s with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			r, _ := http.NewRequest(strings.ToUpper(method), s.http.URL+strings.NewReplacer("{tId}", "x", "{serial}", "1").Replace(path), nil)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 401 {
				t.Errorf("%s %s unsigned: %d", method, path, resp.StatusCode)
			}
		}
	}
	s.refused(404, "not_found", s.get("/nothing"))
	if _, err := s.server.OpenAPI(); err != nil {
		t.Error(err)
	}
}

func TestDirectoryAndCertificates(t *testing.T) {
	s := lite(t)
	if a := s.ok(200, s.get("/platform")); a.code() != s.platform.Code || a.json["host"] != "bid.example" || a.json["callbackBase"] != s.platform.CallbackBase {
		t.Errorf("self %s", a.raw)
	}
	c := s.find(s.cert)
	look := func(serial string) answer { return s.ok(200, s.get("/certificates/"+serial)) }
	for _, form := range []string{c.SignSerial, strings.ToUpper(c.SignSerial), "00" + c.SignSerial} {
		a := look(form)
		der, err := base64.StdEncoding.DecodeString(a.json["der"].(string))
		if err != nil || len(der) == 0 || a.json["state"] != "valid" || a.json["revokedAt"] != nil {
			t.Errorf("%s: %s", form, a.raw)
		}
	}
	s.refused(404, "certificate_not_found", s.get("/certificates/abc"))
	s.refused(422, "request_malformed", s.get("/certificates/xyz"))
	s.change(func(ctx context.Context, tx work.Tx) error {
		_, err := s.Certificates.Freeze(ctx, tx, c.ID, "system", "test")
		return err
	})
	if a := look(c.SignSerial); a.json["state"] != "frozen" {
		t.Errorf("frozen: %s", a.raw)
	}
	s.change(func(ctx context.Context, tx work.Tx) error {
		_, err := s.Certificates.Unfreeze(ctx, tx, c.ID, "system")
		return err
	})
	s.rekey(c)
	if a := look(c.SignSerial); a.json["state"] != "replaced" {
		t.Errorf("replaced: %s", a.raw)
	}
	s.change(func(ctx context.Context, tx work.Tx) error {
		_, err := s.Certificates.Revoked(ctx, tx, c.ID, "system", "test")
		return err
	})
	if a := look(s.find(s.cert).SignSerial); a.json["state"] != "revoked" || a.json["revokedAt"] != s.Clock.Now().Format(time.RFC3339) {
		t.Errorf("revoked: %s", a.raw)
	}
	if a := look(c.SignSerial); a.json["state"] != "replaced" || a.json["revokedAt"] != nil {
		t.Errorf("replaced before the revocation: %s", a.raw)
	}
}

func (s *site) change(f func(ctx context.Context, tx work.Tx) error) {
	s.t.Helper()
	if err := s.Do(context.Background(), "test", f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) find(record string) (c certificate.Certificate) {
	s.t.Helper()
	s.change(func(ctx context.Context, tx work.Tx) (err error) {
		c, err = s.Certificates.Find(ctx, tx, record)
		return err
	})
	return c
}

// rekey puts another signing certificate into a record.
func (s *site) rekey(c certificate.Certificate) {
	s.t.Helper()
	leaf, _ := s.PKI.CA.IssueRole(s.t, pki.PersonSigning)
	s.change(func(ctx context.Context, tx work.Tx) error {
		if _, err := s.Certificates.BeginIssue(ctx, tx, s.holder.Account, c.ID, "rekey"); err != nil {
			return err
		}
		_, err := s.Certificates.Replace(ctx, tx, c.ID, certificate.Replacement{
			Ref: "rekey", SignSerial: leaf.SerialNumber.Text(16), SignKey: "k2", NotAfter: c.NotAfter, Device: s.holder.Device, SignDER: leaf.Raw,
		})
		return err
	})
}

package scan_test

import (
	"bytes"
	"context"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/custody"
	"tianweitong/internal/scan"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

func TestLoginFromTheQRCodeToTheResult(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		begun := s.begin(login())
		if begun.State != scan.Created || begun.Seq != 1 || !strings.HasPrefix(begun.ID, s.platform.Code) || len(begun.ID) != 43 {
			t.Fatalf("created %+v", begun)
		}
		if st := s.status(begun.ID); st.Private.Code != "" || st.Result != nil {
			t.Fatalf("before the scan: %+v", st)
		}
		seen, err := s.scan(s.holder, begun.ID)
		if err != nil {
			t.Fatal(err)
		}
		if seen.State != scan.Scanned || !seen.AskCode || seen.Gate != scan.OK || seen.Platform.Name != s.platform.Name ||
			seen.Identity.Name != "王测试" || len(seen.Certificates) != 1 || !seen.Certificates[0].Default || seen.Origin.Differs {
			t.Fatalf("scanned %+v", seen)
		}
		st := s.status(begun.ID)
		if st.State != scan.Scanned || len(st.Private.Code) != 4 || !st.ScannedAt.Equal(s.Clock.Now()) {
			t.Fatalf("the platform sees %+v", st)
		}
		op, err := s.confirm(begun.ID)
		if err != nil {
			t.Fatal(err)
		}
		a := s.Door.Operation(op)
		m, err := splitkey.ParseLoginMessage(a.M)
		if err != nil {
			t.Fatal(err)
		}
		if m.Platform != s.platform.Code || m.Host != "bid.example" || m.Transaction != begun.ID || m.Time != s.Clock.Now().Unix() ||
			!bytes.Equal(m.Challenge, login().Challenge) || a.ID != splitkey.IDLogin || a.Business != "scan.login" || !a.Expires.Equal(begun.ExpiresAt) {
			t.Fatalf("activation %+v of %+v", a, m)
		}
		if st := s.status(begun.ID); st.State != scan.Ready || st.Private.Code != "" {
			t.Fatalf("confirmed: %+v", st)
		}
		s.Clock.Advance(3 * time.Second)
		if err := s.Door.Enter(ctx, s.holder.Holder, op); err != nil {
			t.Fatal(err)
		}
		st = s.status(begun.ID)
		ended(t, st, scan.Executed, scan.OK)
		sum := sm3.Sum(st.Signed.Signature)
		if !bytes.Equal(st.Signed.M, a.M) || st.Signed.Identity != (scan.Identity{Kind: "person", Holder: s.holder.ID, Name: "王测试"}) ||
			len(st.Signed.Certificate) == 0 || len(st.Signed.Chain) != 2 || !bytes.Equal(st.Signed.Timestamp, append([]byte("stamp:"), sum[:]...)) ||
			!st.Signed.SignedAt.Equal(s.Clock.Now()) {
			t.Fatalf("result %+v", st.Signed)
		}
		digest := sm3.Sum(a.M)
		all := s.usage()
		if len(all) != 1 || all[0].Outcome != usage.OK || all[0].Certificate != s.cert || all[0].PlatformName != s.platform.Name ||
			all[0].Operator != "王测试" || all[0].Serial == "" || !bytes.Equal(all[0].Digest, digest[:]) {
			t.Fatalf("usage %+v", all)
		}
		phone, err := s.Scans.Get(ctx, s.holder.Holder, begun.ID)
		if err != nil || phone.State != scan.Executed || phone.Outcome != scan.OK {
			t.Fatalf("the phone sees %+v, %v", phone, err)
		}
	})
}

func TestDocumentIsSignedAsItStands(t *testing.T) {
	s := lite(t)
	r := sign()
	r.Expected = s.holder.ID
	seen := s.scanned(r)
	sum := sm3.Sum(letter)
	if seen.AskCode || seen.Document == nil || seen.Document.Size != int64(len(letter)) || !bytes.Equal(seen.Document.Digest, sum[:]) {
		t.Fatalf("scanned %+v", seen)
	}
	confirmed, err := s.Scans.Confirm(t.Context(), s.holder.Holder, seen.ID, s.cert, "")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Door.Operation(confirmed.OpID); !bytes.Equal(a.M, letter) || a.ID != splitkey.IDDocument || a.Business != "scan.sign" {
		t.Fatalf("activation %+v", a)
	}
	if err := s.Door.Enter(t.Context(), s.holder.Holder, confirmed.OpID); err != nil {
		t.Fatal(err)
	}
	if st := s.status(seen.ID); !bytes.Equal(st.Signed.M, letter) {
		t.Fatalf("result %+v", st.Signed)
	}
}

func TestLargeDocumentIsSignedByItsAttributes(t *testing.T) {
	s := lite(t)
	r := sign()
	r.Body, r.Document = nil, scan.Document{Name: "投标文件.zip", Size: splitkey.MaxMessage + 1, Digest: bytes.Repeat([]byte{9}, 32)}
	id := s.executed(r)
	a, err := pki.ParseSignedAttributes(pki.Arc{}, s.status(id).Signed.M)
	if err != nil {
		t.Fatal(err)
	}
	if a.Document == nil || a.Document.Name != r.Document.Name || a.Document.Size != r.Document.Size || !bytes.Equal(a.Digest, r.Document.Digest) || !a.Time.Equal(s.Clock.Now()) {
		t.Fatalf("attributes %+v", a)
	}
}

func TestUnfitRequestsAreRefused(t *testing.T) {
	s := lite(t)
	der, err := asn1.Marshal(struct{ A, B int }{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	message, err := splitkey.LoginMessage{Platform: "p", Host: "h", Transaction: "t", Challenge: make([]byte, 32), Browser: make([]byte, 32), Time: 1}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from func() scan.Request
		edit func(*scan.Request)
		want error
	}{
		"another type":       {login, func(r *scan.Request) { r.Type = "seal" }, scan.CodeRequest},
		"no title":           {login, func(r *scan.Request) { r.Title = "" }, scan.CodeRequest},
		"title of 101":       {login, func(r *scan.Request) { r.Title = strings.Repeat("标", 101) }, scan.CodeRequest},
		"title with newline": {login, func(r *scan.Request) { r.Title = "a\nb" }, scan.CodeRequest},
		"title of two lines": {login, func(r *scan.Request) { r.Title = "a\u2028b" }, scan.CodeRequest},
		"title turned round": {login, func(r *scan.Request) { r.Title = "a\u202eb" }, scan.CodeRequest},
		"short binding":      {login, func(r *scan.Request) { r.Binding = make([]byte, 31) }, scan.CodeRequest},
		"no address":         {login, func(r *scan.Request) { r.Browser.Address = "office" }, scan.CodeRequest},
		"short challenge":    {login, func(r *scan.Request) { r.Challenge = make([]byte, 15) }, scan.CodeRequest},
		"callback elsewhere": {login, func(r *scan.Request) { r.NotifyPath = "//evil.example/x" }, scan.CodeNotifyURL},
		"callback upwards":   {login, func(r *scan.Request) { r.NotifyPath = "/a/../b" }, scan.CodeNotifyURL},
		"callback with user": {login, func(r *scan.Request) { r.NotifyPath = "/@evil.example" }, scan.CodeNotifyURL},
		"no document":        {sign, func(r *scan.Request) { r.Body = []byte{} }, scan.CodeDocument},
		"DER structure":      {sign, func(r *scan.Request) { r.Body = der }, scan.CodeDocument},
		"login as document":  {sign, func(r *scan.Request) { r.Body = message }, scan.CodeDocument},
		"document too large": {sign, func(r *scan.Request) { r.Body = bytes.Repeat([]byte("a"), splitkey.MaxMessage+1) }, scan.CodeDocument},
		"path as name":       {sign, func(r *scan.Request) { r.Document.Name = "../x" }, scan.CodeRequest},
		"both forms":         {sign, func(r *scan.Request) { r.Document.Digest = make([]byte, 32) }, scan.CodeRequest},
		"small by digest": {sign, func(r *scan.Request) {
			r.Body, r.Document.Digest, r.Document.Size = nil, make([]byte, 32), splitkey.MaxMessage
		}, scan.CodeRequest},
		"short digest": {sign, func(r *scan.Request) {
			r.Body, r.Document.Digest, r.Document.Size = nil, make([]byte, 31), splitkey.MaxMessage+1
		}, scan.CodeRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.from()
			c.edit(&r)
			if _, err := s.create(r); !errors.Is(err, c.want) {
				t.Errorf("err = %v, want %v", err, c.want)
			}
		})
	}
	closed := s.platform.Platform
	closed.Active = false
	if _, err := s.Scans.Draft(closed, login()); !errors.Is(err, scan.CodePlatform) {
		t.Errorf("a closed platform: %v", err)
	}
}

func TestCodesOfOthersAndOldCodesAreRefused(t *testing.T) {
	s := lite(t)
	ctx := t.Context()
	begun := s.begin(login())
	text := s.qr(begun.ID)
	other := lite(t) // another house, another key
	stranger := other.qr(other.begin(login()).ID)
	for name, foreign := range map[string]string{
		"empty": "", "a web page": "https://www.example.com/", "no token": "https://app.example/s#k=", "junk": "https://app.example/s#k=AAAA",
		"another host": strings.Replace(text, "app.example", "app.example.evil.example", 1), "by http": strings.Replace(text, "https", "http", 1),
		"cut": text[:len(text)-1], "longer": text + "A", "another house": stranger, "swapped bits": text[:60] + flip(text[60:61]) + text[61:],
	} {
		if _, err := s.Scans.Scan(ctx, s.holder.Holder, foreign, office); !errors.Is(err, scan.CodeQRUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Noon begins a slot: the code lives 15 s from there.
	s.Clock.Advance(15*time.Second - time.Millisecond)
	if _, err := s.Scans.Scan(ctx, s.holder.Holder, text, office); err != nil {
		t.Fatalf("a code of almost 15 s: %v", err)
	}
	next := s.begin(login())
	text = s.qr(next.ID)
	s.Clock.Advance(15 * time.Second)
	if _, err := s.Scans.Scan(ctx, s.holder.Holder, text, office); !errors.Is(err, scan.CodeQRExpired) {
		t.Errorf("a code of 15 s: %v", err)
	}
	if _, err := s.scan(s.holder, next.ID); err != nil {
		t.Errorf("the next code of the same transaction: %v", err)
	}
}

func flip(s string) string {
	if s == "A" {
		return "B"
	}
	return "A"
}

func TestCodeRotatesEveryTenSeconds(t *testing.T) {
	s := lite(t)
	begun := s.begin(login())
	id := begun.ID
	s.Clock.Advance(4 * time.Second)
	q, err := s.Scans.QR(t.Context(), s.platform.Code, id)
	if err != nil {
		t.Fatal(err)
	}
	if d := q.RotatesAt.Sub(s.Clock.Now()); d <= 0 || d > 10*time.Second {
		t.Errorf("rotates in %v", d)
	}
	if !q.ExpiresAt.Equal(begun.ExpiresAt) {
		t.Errorf("the transaction ends at %v, the code says %v", begun.ExpiresAt, q.ExpiresAt)
	}
	if strings.Contains(strings.SplitN(q.Text, "#", 2)[0], "k=") || strings.Contains(q.Text, id) {
		t.Errorf("the token is not hidden in the fragment: %s", q.Text)
	}
	if _, err := s.scan(s.holder, id); err != nil {
		t.Fatal(err)
	}
	_, err = s.Scans.QR(t.Context(), s.platform.Code, id)
	is(t, err, scan.CodeQRClosed)
}

func TestOneScanBindsOneDevice(t *testing.T) {
	s := lite(t)
	id := s.begin(login()).ID
	text := s.qr(id)
	second := s.NewPerson("李测试")
	if _, err := s.Scans.Scan(t.Context(), s.holder.Holder, text, office); err != nil {
		t.Fatal(err)
	}
	code := s.status(id).Private.Code
	if _, err := s.Scans.Scan(t.Context(), s.holder.Holder, text, office); err != nil {
		t.Errorf("the same device again: %v", err)
	}
	if got := s.status(id).Private.Code; got != code {
		t.Errorf("a second scan drew another code")
	}
	_, err := s.Scans.Scan(t.Context(), second.Holder, text, office)
	is(t, err, scan.CodeQRTaken)
	mine := s.holder
	mine.Device = second.Device
	_, err = s.Scans.Scan(t.Context(), mine.Holder, text, office)
	is(t, err, scan.CodeQRTaken)
	for _, h := range []custody.Holder{second.Holder, mine.Holder} {
		_, err = s.Scans.Get(t.Context(), h, id)
		is(t, err, scan.CodeNotFound)
		_, err = s.Scans.Confirm(t.Context(), h, id, s.cert, code)
		is(t, err, scan.CodeNotFound)
		is(t, s.Scans.Reject(t.Context(), h, id), scan.CodeNotFound)
	}
}

func TestAnotherIdentityIsRefusedBeforeItBinds(t *testing.T) {
	s := lite(t)
	r := sign()
	r.Expected = s.holder.ID
	id := s.begin(r).ID
	other := s.NewPerson("李测试")
	_, err := s.scan(other, id)
	is(t, err, scan.CodeMismatch)
	if st := s.status(id); st.State != scan.Created {
		t.Fatalf("it is %s", st.State)
	}
	if _, err := s.scan(s.holder, id); err != nil {
		t.Fatalf("the expected one afterwards: %v", err)
	}
}

func TestHolderWithoutRealNameAndUnknownPlatformDoNotBind(t *testing.T) {
	s := lite(t)
	id := s.begin(login()).ID
	if _, err := s.scan(s.Newcomer(), id); err == nil || s.status(id).State != scan.Created {
		t.Fatalf("a newcomer scanned: %v", err)
	}
	text := s.qr(id)
	closed := s.platform.Platform
	closed.Active = false
	s.Directory.Put(closed)
	_, err := s.Scans.Scan(t.Context(), s.holder.Holder, text, office)
	is(t, err, scan.CodePlatform)
	s.Directory.Put(s.platform.Platform)
	if s.status(id).State != scan.Created {
		t.Fatal("it is bound")
	}
}

func TestOneWrongCodeEndsTheTransaction(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		id := s.scanned(login()).ID
		code := s.status(id).Private.Code
		wrong := flip(code[:1])
		if wrong == "A" {
			wrong = "0"
			if code[0] == '0' {
				wrong = "1"
			}
		}
		for _, malformed := range []string{"", "12a4", "12345", code + "0"} {
			_, err := s.Scans.Confirm(t.Context(), s.holder.Holder, id, s.cert, malformed)
			is(t, err, scan.CodeNeedCode)
		}
		_, err := s.Scans.Confirm(t.Context(), s.holder.Holder, id, s.cert, wrong+code[1:])
		is(t, err, scan.CodeWrongCode)
		_, err = s.Scans.Confirm(t.Context(), s.holder.Holder, id, s.cert, code)
		is(t, err, scan.CodeOver)
		ended(t, s.status(id), scan.Failed, scan.WrongCode)
		if all := s.usage(); len(all) != 1 || all[0].Outcome != "WRONG_CODE" {
			t.Fatalf("usage %+v", all)
		}
		if n := s.Notices(); len(n) != 1 || n[0].Account != s.holder.Account {
			t.Fatalf("notices %+v", n)
		}
	})
}

func TestDigitsAreAskedForWhenNothingElseHoldsTheIdentity(t *testing.T) {
	s := lite(t)
	quiet := s.platform
	quiet.AskCode = false
	for name, c := range map[string]struct {
		r    scan.Request
		edit func(*scan.Request)
		loud bool
		want bool
	}{
		"login":                    {login(), func(*scan.Request) {}, true, true},
		"login, platform says no":  {login(), func(*scan.Request) {}, false, false},
		"login, request says yes":  {login(), func(r *scan.Request) { r.AskCode = true }, false, true},
		"sign for anybody":         {sign(), func(*scan.Request) {}, true, true},
		"sign for one":             {sign(), func(r *scan.Request) { r.Expected = s.holder.ID }, true, false},
		"sign for one, always ask": {sign(), func(r *scan.Request) { r.Expected, r.AskCode = s.holder.ID, true }, true, true},
	} {
		c.edit(&c.r)
		s.platform.AskCode = c.loud
		if got := s.begin(c.r).AskCode; got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestConfirmingAgainGivesTheSameOperation(t *testing.T) {
	s := lite(t)
	second := s.Certify(s.holder, s.platform.Code).ID
	id := s.scanned(login()).ID
	code := s.status(id).Private.Code
	confirm := func(cert string) string {
		seen, err := s.Scans.Confirm(t.Context(), s.holder.Holder, id, cert, code)
		if err != nil {
			t.Fatal(err)
		}
		return seen.OpID
	}
	first := confirm(s.cert)
	if again := confirm(s.cert); again != first {
		t.Error("a repeated confirmation made another operation")
	}
	other := confirm(second)
	if other == first || !s.Door.Operation(first).Withdrawn {
		t.Error("the operation of the certificate that was left is still allowed")
	}
	if err := s.Door.Enter(t.Context(), s.holder.Holder, other); err != nil {
		t.Fatal(err)
	}
	if all := s.usage(); len(all) != 1 || all[0].Certificate != second {
		t.Fatalf("usage %+v", all)
	}
	// The certificate used last is the default now.
	seen := s.scanned(login())
	for _, c := range seen.Certificates {
		if c.Default != (c.Certificate == second) {
			t.Errorf("default: %+v", seen.Certificates)
		}
	}
}

func TestTimeEndsATransaction(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		unscanned, scanned := s.begin(login()).ID, s.scanned(login()).ID
		ready, op := s.confirmed(login())
		s.Clock.Advance(scan.LoginLife - time.Millisecond)
		if st := s.status(unscanned); st.State != scan.Created {
			t.Fatalf("too early: %s", st.State)
		}
		s.Clock.Advance(time.Millisecond)
		// Readers see it at once, before any sweep.
		ended(t, s.status(unscanned), scan.Expired, scan.Timeout)
		ended(t, s.status(scanned), scan.Expired, scan.Timeout)
		_, err := s.Scans.QR(t.Context(), s.platform.Code, unscanned)
		is(t, err, scan.CodeQRClosed)
		_, err = s.confirm(scanned)
		is(t, err, scan.CodeOver)
		s.sweep()
		if all := s.usage(); len(all) != 1 || all[0].Outcome != "TIMEOUT" {
			t.Fatalf("usage of the one that somebody scanned: %+v", all)
		}
		// One that was confirmed waits a moment for an answer that came in time.
		if st := s.status(ready); st.State != scan.Ready {
			t.Fatalf("ready: %s", st.State)
		}
		s.Clock.Advance(20 * time.Second)
		s.sweep()
		ended(t, s.status(ready), scan.Expired, scan.Timeout)
		if !s.Door.Operation(op).Withdrawn {
			t.Error("custody may still sign")
		}
		if all := s.usage(); len(all) != 2 {
			t.Fatalf("usage %+v", all)
		}
		s.sweep() // nothing is ended twice
	})
}

func TestRowThatCannotBeSweptHoldsUpNothing(t *testing.T) {
	s := lite(t)
	bad := s.scanned(login()).ID
	var good []string
	for range 3 {
		good = append(good, s.scanned(login()).ID)
	}
	s.spoil(bad)
	s.Clock.Advance(time.Hour)
	if err := s.Scans.Sweep(t.Context()); err == nil {
		t.Error("the bad row went through in silence")
	}
	if n := len(s.usage()); n != len(good) {
		t.Errorf("%d of %d others were ended", n, len(good))
	}
}

func TestSignaturesLiveFiveMinutes(t *testing.T) {
	s := lite(t)
	id := s.begin(sign()).ID
	s.Clock.Advance(scan.OtherLife - time.Millisecond)
	if st := s.status(id); st.State != scan.Created {
		t.Fatalf("too early: %s", st.State)
	}
	s.Clock.Advance(time.Millisecond)
	ended(t, s.status(id), scan.Expired, scan.Timeout)
}

func TestUserAndPlatformCanEndIt(t *testing.T) {
	s := lite(t)
	id, op := s.confirmed(login())
	if err := s.Scans.Reject(t.Context(), s.holder.Holder, id); err != nil {
		t.Fatal(err)
	}
	ended(t, s.status(id), scan.Rejected, scan.UserRefused)
	if err := s.Scans.Reject(t.Context(), s.holder.Holder, id); err != nil {
		t.Errorf("rejecting twice: %v", err)
	}
	if !s.Door.Operation(op).Withdrawn {
		t.Error("custody may still sign")
	}
	cancel := func(platform, id string) error {
		return s.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			_, err := s.Scans.Cancel(ctx, tx, platform, id)
			return err
		})
	}
	is(t, cancel(s.platform.Code, id), scan.CodeOver)
	id, op = s.confirmed(login())
	is(t, cancel(s.NewPlatform(2).Code, id), scan.CodeNotFound)
	for range 2 {
		if err := cancel(s.platform.Code, id); err != nil {
			t.Fatal(err)
		}
	}
	ended(t, s.status(id), scan.Cancelled, scan.PlatformCancel)
	if err := s.Door.Enter(t.Context(), s.holder.Holder, op); err == nil {
		t.Error("a cancelled transaction was executed")
	}
	is(t, s.Scans.Reject(t.Context(), s.holder.Holder, id), scan.CodeOver)
	done := s.executed(login())
	is(t, cancel(s.platform.Code, done), scan.CodeOver)
	var words []string
	for _, u := range s.usage() {
		words = append(words, u.Outcome)
	}
	if got := strings.Join(words, " "); got != "OK PLATFORM_CANCELLED USER_REFUSED" {
		t.Errorf("usage %s", got)
	}
}

func TestPlatformSeesItsOwnTransactionsAlone(t *testing.T) {
	s := lite(t)
	id := s.executed(login())
	other := s.NewPlatform(2)
	_, err := s.Scans.Status(t.Context(), other.Code, id, true)
	is(t, err, scan.CodeNotFound)
	_, err = s.Scans.QR(t.Context(), other.Code, id)
	is(t, err, scan.CodeNotFound)
	_, err = s.Scans.Status(t.Context(), s.platform.Code, s.platform.Code+strings.Repeat("0", 32), true)
	is(t, err, scan.CodeNotFound)
}

func TestResultsAreReducedAfterADay(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ids := []string{s.executed(login()), s.executed(sign())}
		s.Clock.Advance(scan.ResultLife - time.Minute)
		s.sweep()
		for _, id := range ids {
			if s.status(id).Signed == nil {
				t.Error("the result is gone too early")
			}
		}
		s.Clock.Advance(time.Minute)
		for range 2 { // before the sweep and after
			for _, id := range ids {
				st := s.status(id)
				ended(t, st, scan.Executed, scan.OK)
				if st.Signed != nil {
					t.Error("the result is still given")
				}
			}
			s.sweep()
		}
		for _, id := range ids {
			if got := s.status(id).Private.Browser; got != (scan.Browser{}) {
				t.Errorf("private data stayed: %+v", got)
			}
			s.Must(func(ctx context.Context, tx work.Tx) error {
				if _, err := s.Store.Scans().Message(ctx, tx, id); !errors.Is(err, work.ErrNotFound) {
					t.Errorf("the document stayed: %v", err)
				}
				r, err := s.Store.Scans().Result(ctx, tx, id, 1)
				if err != nil || r.M != nil || len(r.Signature) == 0 {
					t.Errorf("kept: %+v, %v", r, err)
				}
				return nil
			})
		}
		if all := s.usage(); len(all) != 2 {
			t.Errorf("usage %+v", all)
		}
	})
}

func TestOriginElsewhereIsShown(t *testing.T) {
	s := lite(t)
	for phone, differs := range map[string]bool{office: false, "198.51.100.200": false, "203.0.113.9": true, "2001:db8::1": true, "::ffff:198.51.100.9": false, "127.0.0.1": false, "10.0.0.9": false, "?": false} {
		seen, err := s.Scans.Scan(t.Context(), s.holder.Holder, s.qr(s.begin(login()).ID), phone)
		if err != nil {
			t.Fatal(err)
		}
		if seen.Origin.Differs != differs || (seen.Origin.WaitSeconds == 10) != differs {
			t.Errorf("from %s: %+v", phone, seen.Origin)
		}
	}
}

func TestOnlyWhatWasScannedCallsBack(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		s.begin(login())
		s.scanned(login())
		s.Clock.Advance(scan.LoginLife)
		s.sweep()
		counts, err := s.CountJobs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for _, c := range counts {
			if c.Topic == scan.CallbackTopic {
				n += c.N
			}
		}
		if n != 1 {
			t.Errorf("%d callbacks wait, want that of the scanned one", n)
		}
	})
}

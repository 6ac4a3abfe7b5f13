package scan_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/platformapi/doortest"
	"tianweitong/internal/scan"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

const office = "198.51.100.7"

// stage is a house with a platform and a holder who may sign there.
type stage struct {
	*doortest.House
	t        testing.TB
	platform doortest.Platform
	holder   doortest.Holder
	cert     string
}

func newStage(t testing.TB, st *store.Store, c *clock.Manual) *stage {
	h := doortest.New(t, st, c)
	s := &stage{House: h, t: t, platform: h.NewPlatform(1)}
	s.holder = h.NewPerson("王测试")
	s.cert = h.Certify(s.holder, s.platform.Code).ID
	return s
}

// each runs a test on both engines.
func each(t *testing.T, f func(t *testing.T, s *stage)) {
	c := clock.NewManual(doortest.Noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) { f(t, newStage(t, st, c)) })
}

// lite runs a test on SQLite alone, where the engine makes no difference.
func lite(t *testing.T) *stage {
	c := clock.NewManual(doortest.Noon)
	return newStage(t, storetest.Open(t, storetest.SQLite(t), c), c)
}

func login() scan.Request {
	return scan.Request{
		Type: scan.Login, Title: "登录示例平台", Binding: make([]byte, 32), Browser: scan.Browser{UserAgent: "Test/1", Address: office},
		Challenge: bytes.Repeat([]byte{7}, 32), NotifyPath: "/done",
	}
}

var letter = []byte("投标函：我方承诺遵守招标文件。")

func sign() scan.Request {
	r := login()
	r.Type, r.Title, r.Challenge, r.Body, r.Document = scan.Sign, "签署投标函", nil, letter, scan.Document{Name: "投标函.txt"}
	return r
}

func (s *stage) create(r scan.Request) (scan.Transaction, error) {
	d, err := s.Scans.Draft(s.platform.Platform, r)
	if err != nil {
		return scan.Transaction{}, err
	}
	var t scan.Transaction
	err = s.Do(context.Background(), "test", func(ctx context.Context, tx work.Tx) (err error) {
		t, err = s.Scans.Create(ctx, tx, d)
		return err
	})
	return t, err
}

func (s *stage) begin(r scan.Request) scan.Transaction {
	s.t.Helper()
	t, err := s.create(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

func (s *stage) qr(id string) string {
	s.t.Helper()
	q, err := s.Scans.QR(context.Background(), s.platform.Code, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return q.Text
}

func (s *stage) scan(h doortest.Holder, id string) (scan.Scan, error) {
	return s.Scans.Scan(context.Background(), h.Holder, s.qr(id), office)
}

// scanned begins a transaction and has it scanned by the holder.
func (s *stage) scanned(r scan.Request) scan.Scan {
	s.t.Helper()
	out, err := s.scan(s.holder, s.begin(r).ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *stage) status(id string) scan.Status {
	s.t.Helper()
	st, err := s.Scans.Status(context.Background(), s.platform.Code, id, true)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// confirm types what the platform's page shows.
func (s *stage) confirm(id string) (string, error) {
	seen, err := s.Scans.Confirm(context.Background(), s.holder.Holder, id, s.cert, s.status(id).Private.Code)
	return seen.OpID, err
}

func (s *stage) confirmed(r scan.Request) (id, op string) {
	s.t.Helper()
	id = s.scanned(r).ID
	op, err := s.confirm(id)
	if err != nil {
		s.t.Fatal(err)
	}
	return id, op
}

// executed runs a whole transaction.
func (s *stage) executed(r scan.Request) string {
	s.t.Helper()
	id, op := s.confirmed(r)
	if err := s.Door.Enter(context.Background(), s.holder.Holder, op); err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *stage) usage() []usage.Record {
	s.t.Helper()
	all, err := s.Usages.List(context.Background(), account.Scope{Account: s.holder.Account}, usage.Filter{}, usage.Page{})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (s *stage) sweep() {
	s.t.Helper()
	if err := s.Scans.Sweep(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// is fails the test unless err is the refusal.
func is(t testing.TB, err error, want fault.Code) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("err = %v, want %s", err, want.Name)
	}
}

func ended(t testing.TB, st scan.Status, state scan.State, o scan.Outcome) {
	t.Helper()
	if st.State != state || st.Result == nil || *st.Result != o {
		t.Fatalf("%s %v, want %s %s", st.State, st.Result, state, o)
	}
}

// spoil gives a transaction a usage record already, so that it cannot end.
func (s *stage) spoil(id string) {
	s.t.Helper()
	s.Must(func(ctx context.Context, tx work.Tx) error {
		return s.Usages.Write(ctx, tx, usage.Record{Ref: "scan:" + id + ":1", At: s.Clock.Now(), Account: "nobody"})
	})
}

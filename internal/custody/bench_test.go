package custody_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/store/storetest"
	"tianweitong/splitkey"
)

// newBench is a stage on the machine's clock; SQLite on a file, or PostgreSQL.
func newBench(b *testing.B, dsn string) *stage {
	b.Helper()
	c := clock.NewManual(noon)
	return newStage(b, storetest.Open(b, dsn, c), c)
}

// BenchmarkCosign is Open and Answer with the store: all that custody does for
// one signature, without the phone's half. "compute" is its arithmetic alone, on
// one core; "sqlite-parallel" is 16 phones at once, Authorise and the phones'
// half included.
func BenchmarkCosign(b *testing.B) {
	b.Run("compute", func(b *testing.B) {
		phone, request, err := splitkey.StartKeygen(rand.Reader, benchContext)
		ok(b, err)
		d2, reply, err := splitkey.ServerKeygen(rand.Reader, benchContext, request)
		ok(b, err)
		d1, public, err := phone.Finish(reply)
		ok(b, err)
		message := make([]byte, 200)
		omega, w, err := splitkey.OpenNonce(rand.Reader, public)
		ok(b, err)
		binding := splitkey.Binding{
			KeyID: "k", PublicKey: public, OpID: "o", NonceID: "n", W: w,
			Digest: must(splitkey.Digest(public, splitkey.IDDocument, message))(b),
		}
		answer := must(splitkey.Sign(rand.Reader, d1, binding))(b)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := splitkey.OpenNonce(rand.Reader, public); err != nil {
				b.Fatal(err)
			}
			if binding.Digest, err = splitkey.Digest(public, splitkey.IDDocument, message); err != nil {
				b.Fatal(err)
			}
			if _, err := splitkey.Complete(d2, omega, binding, answer); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, engine := range []struct {
		name string
		dsn  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		b.Run(engine.name, func(b *testing.B) {
			s := newBench(b, engine.dsn(b))
			key := must(s.phone.SigningKey(b.Context()))(b)
			for b.Loop() {
				b.StopTimer()
				op := must(s.phone.Document(b.Context(), key, "s", "a message"))(b)
				b.StartTimer()
				s.cosign(b, op)
			}
		})
	}
	b.Run("sqlite-parallel", func(b *testing.B) {
		s := newBench(b, storetest.SQLite(b))
		type signer struct {
			phone *custodytest.Phone
			pin   string
		}
		idle := make(chan signer, 16)
		for i := range cap(idle) {
			p := custodytest.NewPhone(fmt.Sprint("account-", i), s.m, s.st, s.clock)
			idle <- signer{p, must(p.SetPIN(b.Context()))(b)}
		}
		b.SetParallelism(8)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p := <-idle
				op, err := p.phone.Confirm(b.Context(), p.pin, splitkey.IDPIN, "b", "s")
				if err == nil {
					_, err = p.phone.Perform(b.Context(), op, p.phone.PIN, nil)
				}
				if err != nil {
					b.Error(err)
				}
				idle <- p
			}
		})
	})
}

func (s *stage) cosign(b *testing.B, op string) {
	o, err := s.m.Open(b.Context(), s.phone.Holder, op)
	if err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	a := must(s.phone.Answer(o, s.phone.PIN))(b)
	b.StartTimer()
	if _, err := s.m.Answer(b.Context(), s.phone.Holder, op, a, nil); err != nil {
		b.Fatal(err)
	}
}

var benchContext = splitkey.Context{Account: "a", Device: make([]byte, 32), Enrolment: "e", Server: "s", KeyID: "k"}

// BenchmarkCoDecrypt is Open and Answer for one ciphertext; "compute" is the
// arithmetic alone.
func BenchmarkCoDecrypt(b *testing.B) {
	b.Run("compute", func(b *testing.B) {
		de := must(splitkey.NewSecret(rand.Reader))(b)
		public := must(de.PublicKey())(b)
		a, share, err := splitkey.Deal(rand.Reader, de)
		ok(b, err)
		c := must(splitkey.ParseCiphertext(must(custodytest.Encrypt(public, []byte("a file key")))(b)))(b)
		platform := sm3.Sum(custodytest.Certificate)
		binding := splitkey.DecryptBinding{KeyID: "k", OpID: "o", ServerNonce: make([]byte, 32), Platform: platform[:], C1: [][]byte{c.C1}}
		answer := must(splitkey.ProveDecrypt(rand.Reader, a, binding))(b)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := splitkey.DeriveT2(share, public, binding, answer); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sqlite", func(b *testing.B) {
		s := newBench(b, storetest.SQLite(b))
		keys := must(s.phone.Install(b.Context(), custodytest.KMC(b, s.m, s.clock)))(b)
		public := s.phone.Records[keys.Encrypt].PublicKey
		for b.Loop() {
			b.StopTimer()
			op := must(s.phone.Trial(b.Context(), keys.Encrypt, "s", public))(b)
			b.StartTimer()
			s.cosign(b, op)
		}
	})
}

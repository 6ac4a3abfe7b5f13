package splitkey

import (
	"crypto/rand"
	"testing"
)

// The benchmarks behind the table of docs/split-keys.md §5.

func BenchmarkOpen(b *testing.B) {
	_, server := newKey(b)
	for b.Loop() {
		if _, _, err := OpenNonce(rand.Reader, server.p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkComplete(b *testing.B) {
	phone, server := newKey(b)
	omega, binding := server.open(b, IDDocument, []byte("m"))
	answer := must(Sign(rand.Reader, phone.d1, binding))
	for b.Loop() {
		if _, err := Complete(server.d2, omega, binding, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCosignServer is the server's whole cost of one co-signature: the
// nonce and its completion with h and verification.
func BenchmarkCosignServer(b *testing.B) {
	phone, server := newKey(b)
	_, binding := server.open(b, IDDocument, []byte("m"))
	omega, _ := server.open(b, IDDocument, []byte("m"))
	answer := must(Sign(rand.Reader, phone.d1, binding))
	for b.Loop() {
		if _, _, err := OpenNonce(rand.Reader, server.p); err != nil {
			b.Fatal(err)
		}
		// Another ω than the answered one: the same work, and the refusal.
		if _, err := Complete(server.d2, omega, binding, answer); err != ErrProof {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cosign/s")
}

func BenchmarkPhoneSign(b *testing.B) {
	phone, server := newKey(b)
	_, binding := server.open(b, IDDocument, []byte("m"))
	for b.Loop() {
		if _, err := Sign(rand.Reader, phone.d1, binding); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCoDecryptServer(b *testing.B) {
	k := newEncryptionKey(b)
	_, binding := k.binding(b, 1)
	answer := must(ProveDecrypt(rand.Reader, k.a, binding))
	for b.Loop() {
		if _, err := DeriveT2(k.b, k.pe, binding, answer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeygenServer(b *testing.B) {
	_, req, err := StartKeygen(rand.Reader, testContext)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := ServerKeygen(rand.Reader, testContext, req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	phone, server := newKey(b)
	sig := cosign(b, phone, server, IDDocument, []byte("m"))
	e := must(Digest(phone.p, IDDocument, []byte("m")))
	for b.Loop() {
		if err := Verify(phone.p, e, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStretch(b *testing.B) {
	for b.Loop() {
		if _, err := Stretch([]byte("493817"), make([]byte, SaltSize), make([]byte, PepperSize)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenRequest(b *testing.B) {
	module, unwrap := newModule(b)
	aad := AAD{Kid: "kid", Method: "POST", Path: "/operations/1/answer", Device: []byte("dev"), Time: 1}
	req, _, err := SealRequest(rand.Reader, module, aad, make([]byte, 256))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := OpenRequest(unwrap, aad, req); err != nil {
			b.Fatal(err)
		}
	}
}

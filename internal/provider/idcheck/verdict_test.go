package idcheck

import (
	"testing"

	"tianweitong/internal/realname"
)

func TestUnclearVerdictIsNoAnswer(t *testing.T) {
	for in, want := range map[string]realname.Answer{
		`{"passed":true}`:                           {Passed: true},
		`{"passed":false,"reason":"face"}`:          {Reason: realname.ReasonFace},
		`{"passed":false,"reason":"factors"}`:       {Reason: realname.ReasonFactors},
		`{"passed":false,"reason":"liveness"}`:      {Reason: realname.ReasonNotLive},
		`{"passed":false,"reason":"card"}`:          {Reason: realname.ReasonCard},
		`{"passed":false,"reason":"card-phone"}`:    {Reason: realname.ReasonCardPhone},
		`{"passed":false,"reason":"card-unusable"}`: {Reason: realname.ReasonCardUnusable},
	} {
		if got, err := readVerdict([]byte(in)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "{}", "true", `{"passed":"true"}`, `{"passed":false}`, `{"passed":true,"reason":"face"}`,
		`{"passed":false,"reason":"x"}`, `{"passed":true}x`} {
		if got, err := readVerdict([]byte(in)); err == nil {
			t.Errorf("%s: %+v", in, got)
		}
	}
}

func FuzzReadVerdict(f *testing.F) {
	for _, s := range []string{`{"passed":true}`, `{"passed":false,"reason":"face"}`, `{"passed":null}`, "[]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := readVerdict(b); err == nil && a.Passed == (a.Reason.Name != "") {
			t.Fatalf("%q gives %+v", b, a)
		}
	})
}

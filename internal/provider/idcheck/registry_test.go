package idcheck

import (
	"testing"

	"tianweitong/internal/fault"
	"tianweitong/internal/verification"
)

const known = `"record":{"name":"测试甲有限公司","code":"91999999MA0TE5T00T","legalName":"测*","status":"存续","asOf":"2026-11-20"}`

func TestTheRegistersAnswerIsReadPlainlyOrNotAtAll(t *testing.T) {
	for reply, want := range map[string]string{
		`{"passed":true,` + known + `}`:                     "",
		`{"passed":false,"reason":"legal",` + known + `}`:   verification.ReasonLegal.Name,
		`{"passed":false,"reason":"code"}`:                  verification.ReasonCode.Name,
		`{"passed":true}`:                                   "!",
		`{"passed":true,"reason":"name",` + known + `}`:     "!",
		`{"passed":false}`:                                  "!",
		`{"passed":false,"reason":"because",` + known + `}`: "!",
		`{}`:   "!",
		`null`: "!",
		``:     "!",
	} {
		a, err := readRegistry([]byte(reply))
		if want == "!" {
			if err == nil {
				t.Errorf("%s was read as %+v", reply, a)
			}
			continue
		}
		if err != nil || a.Passed != (want == "") || a.Reason.Name != want {
			t.Errorf("%s: %+v, %v", reply, a, err)
		}
	}
}

func FuzzReadRegistry(f *testing.F) {
	f.Add([]byte(`{"passed":true,` + known + `}`))
	f.Add([]byte(`{"passed":false,"reason":"status",` + known + `}`))
	f.Add([]byte(`{"passed":false,"reason":"code"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, reply []byte) {
		a, err := readRegistry(reply)
		if err == nil && a.Passed == (a.Reason != fault.Code{}) {
			t.Fatalf("%q passed %v with %q", reply, a.Passed, a.Reason.Name)
		}
	})
}

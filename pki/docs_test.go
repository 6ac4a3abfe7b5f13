package pki_test

import (
	"os"
	"strings"
	"testing"

	"tianweitong/pki"
	"tianweitong/pki/lint"
)

func TestThePageOfProfilesNamesEveryRoleAndRule(t *testing.T) {
	b, err := os.ReadFile("../docs/ca-profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, r := range pki.Roles() {
		if !strings.Contains(page, "\n| "+r.String()+" |") {
			t.Errorf("no row for %v", r)
		}
	}
	if want := strings.Join(lint.Rules(), ", ") + "."; !strings.Contains(strings.ReplaceAll(page, "\n", " "), want) {
		t.Errorf("the rules are not listed as %s", want)
	}
	for _, oid := range []string{pki.OIDSM2Curve.String(), pki.OIDSM2Signature.String(), pki.OIDSM2WithSM3.String(), pki.OIDSM3.String(), pki.OIDGMData.String(),
		pki.OIDGMSignedData.String(), pki.OIDIDNumber.String(), pki.OIDUSCC.String(), pki.Arc{}.String()} {
		if !strings.Contains(page, oid) {
			t.Errorf("%s is not in the table", oid)
		}
	}
	for _, oid := range []string{pki.Arc{}.Policy().String(), pki.Arc{}.SandboxPolicy().String(), pki.Arc{}.TSAPolicy().String(), pki.Arc{}.SandboxTSAPolicy().String(),
		pki.Arc{}.MemberName().String(), pki.Arc{}.EnrolmentKey().String(), pki.Arc{}.EncryptionKey().String(), pki.Arc{}.Document().String(),
		pki.Arc{}.RolePolicy(pki.Service).String()} {
		if leaf := "arc" + strings.TrimPrefix(oid, pki.Arc{}.String()); !strings.Contains(page, leaf) {
			t.Errorf("%s is not in the table", leaf)
		}
	}
}

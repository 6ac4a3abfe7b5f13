package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/provider/idcheck"
)

// checkEnterprise answers as a register would. An outcome that was set refuses by
// "legal"; a made-up name tells other things of itself: 注销 in it is a closed
// enterprise, 查无 one that the register does not have.
func (s *Sandbox) checkEnterprise(w http.ResponseWriter, r *http.Request) {
	var f idcheck.EnterpriseFactors
	if !read(r, &f) || f.Name == "" || f.Code == "" || f.LegalName == "" || f.LegalIDNumber == "" {
		bad(w, "the check needs name, code, legalName and legalIDNumber")
		return
	}
	reason := idcheck.ReasonLegal
	set := Approve
	switch {
	case strings.Contains(f.Name, "查无"):
		reason, set = idcheck.ReasonCode, Refuse
	case strings.Contains(f.Name, "注销"):
		reason, set = idcheck.ReasonStatus, Refuse
	}
	c := Check{Kind: "enterprises", Ref: r.PathValue("ref"), Name: f.Name, IDNumber: f.Code}
	v, outcome := s.settle(c, reason, set)
	if outcome == Timeout {
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	}
	out := idcheck.EnterpriseVerdict{Passed: v.Passed, Reason: v.Reason}
	if v.Reason != idcheck.ReasonCode {
		out.Record = &idcheck.EnterpriseRecord{Name: f.Name, Code: f.Code, LegalName: masked(f.LegalName), Status: "存续",
			AsOf: s.o.Clock.Now().In(clock.China).AddDate(0, 0, -3).Format(time.DateOnly)}
		switch v.Reason {
		case idcheck.ReasonStatus:
			out.Record.Status = "注销"
		case idcheck.ReasonLegal:
			out.Record.LegalName = "另*人"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

func masked(name string) string {
	r := []rune(name)
	return string(r[0]) + strings.Repeat("*", len(r)-1)
}

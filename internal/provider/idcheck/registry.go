package idcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
	"tianweitong/internal/verification"
)

// EnterprisesPath is where a check of an enterprise's four elements is put; a
// reference follows.
const EnterprisesPath = "/v1/enterprises/" // PUT EnterpriseFactors

// EnterpriseFactors is the body of a check of four elements (企业四要素).
type EnterpriseFactors struct {
	Name          string `json:"name"`
	Code          string `json:"code"`
	LegalName     string `json:"legalName"`
	LegalIDNumber string `json:"legalIDNumber"`
}

// EnterpriseVerdict is the answer. Record may be missing if the code is unknown.
type EnterpriseVerdict struct {
	Passed bool              `json:"passed"`
	Reason string            `json:"reason,omitempty"`
	Record *EnterpriseRecord `json:"record,omitempty"`
}

// EnterpriseRecord is what the register holds; LegalName is masked, AsOf is a day.
type EnterpriseRecord struct {
	Name      string `json:"name"`
	Code      string `json:"code"`
	LegalName string `json:"legalName"`
	Status    string `json:"status"`
	AsOf      string `json:"asOf"`
}

// The reasons of an enterprise's verdict.
const (
	ReasonCode   = "code"   // the register has no such code
	ReasonName   = "name"   // the name is another one
	ReasonLegal  = "legal"  // the representative is another one, or his number is
	ReasonStatus = "status" // the enterprise is closed, or its licence revoked
)

var registryReasons = map[string]fault.Code{
	ReasonCode: verification.ReasonCode, ReasonName: verification.ReasonName, ReasonLegal: verification.ReasonLegal, ReasonStatus: verification.ReasonStatus,
}

// EnterpriseFactors implements enterprise.Registry.
func (c *Client) EnterpriseFactors(ctx context.Context, q verification.RegistryQuery) (verification.RegistryAnswer, error) {
	body, err := json.Marshal(EnterpriseFactors{Name: q.Name, Code: q.Code, LegalName: q.LegalName, LegalIDNumber: q.LegalIDNumber})
	if err != nil {
		return verification.RegistryAnswer{}, errors.New("idcheck: the elements cannot be written")
	}
	reply, err := c.send(ctx, http.MethodPut, EnterprisesPath, q.Ref, "application/json", bytes.NewReader(body))
	if err != nil {
		return verification.RegistryAnswer{}, err
	}
	a, err := readRegistry(reply)
	if err != nil {
		return verification.RegistryAnswer{}, fmt.Errorf("idcheck: check %s: %w", q.Ref, err)
	}
	return a, nil
}

// readRegistry refuses what is not plainly an answer, as readVerdict does. A record
// that is shown to officers has short fields.
func readRegistry(reply []byte) (verification.RegistryAnswer, error) {
	var v struct {
		Passed *bool             `json:"passed"`
		Reason string            `json:"reason"`
		Record *EnterpriseRecord `json:"record"`
	}
	if err := json.Unmarshal(reply, &v); err != nil || v.Passed == nil {
		return verification.RegistryAnswer{}, errors.New("the answer cannot be read")
	}
	a := verification.RegistryAnswer{Passed: *v.Passed}
	if r := v.Record; r != nil {
		for _, s := range []string{r.Name, r.Code, r.LegalName, r.Status, r.AsOf} {
			if utf8.RuneCountInString(s) > 200 {
				return verification.RegistryAnswer{}, errors.New("the record is too long")
			}
		}
		a.Record = enterprise.Record{Name: r.Name, Code: r.Code, LegalName: r.LegalName, Status: r.Status, AsOf: r.AsOf}
	}
	if a.Passed {
		if v.Reason != "" || v.Record == nil {
			return verification.RegistryAnswer{}, errors.New("the answer contradicts itself")
		}
		return a, nil
	}
	reason, known := registryReasons[v.Reason]
	if !known {
		return verification.RegistryAnswer{}, errors.New("the answer gives no known reason")
	}
	a.Reason = reason
	return a, nil
}

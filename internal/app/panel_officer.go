package app

import (
	"encoding/json"
	"io"
	"net/http"

	"tianweitong/internal/fault"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/office"
)

var codeOfficer = fault.Code{Name: "officer_invalid", Kind: fault.Invalid, Text: "鉴证员资料有误，请检查登录名、姓名与手机号。"}

// dealOfficer makes a verifier (鉴证员) in the sandbox, so that a demo can review what
// it submitted: {name, displayName, phone} → {password, console}. He begins as any
// officer does, with a one-time password and no second factor. Outside the sandbox
// that takes two super administrators (docs/console.md).
func (a *App) dealOfficer(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
		Phone       string `json:"phone"`
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, 4<<10))
	if err == nil {
		err = json.Unmarshal(b, &in)
	}
	if err != nil {
		httpapi.WriteProblem(w, r, a.Log, codeOfficer.Because(err))
		return
	}
	once, err := a.NewOfficer(r.Context(), office.Newcomer{Name: in.Name, DisplayName: in.DisplayName, Phone: in.Phone, Roles: []office.Role{office.Verifier}})
	if err != nil {
		httpapi.WriteProblem(w, r, a.Log, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"password": once, "console": a.urls.Console})
}

package todo_test

import (
	"context"
	"testing"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

// applications are an account's.
type applications []enterprise.Application

func (a applications) Pending(context.Context, work.Tx, string) ([]enterprise.Application, error) {
	return a, nil
}

func TestApplicationsAreTodosOfTheIdentityThatTheyConcern(t *testing.T) {
	c := clock.NewManual(flowtest.Noon)
	w := flowtest.New(t, storetest.Open(t, storetest.SQLite(t), c), c)
	who := w.SignIn("13712340001").Caller
	made := func(state enterprise.State, kind enterprise.Kind, of string) enterprise.Application {
		return enterprise.Application{ID: string(state), Name: "测试甲有限公司", State: state, Kind: kind, Enterprise: of, CreatedAt: flowtest.Noon}
	}
	all := []enterprise.Application{
		made(enterprise.StateDraft, enterprise.KindCreate, ""), made(enterprise.StateReviewing, enterprise.KindCreate, ""),
		made(enterprise.StateRefused, enterprise.KindCreate, ""), made(enterprise.StateRefused, enterprise.KindChange, "e"),
	}
	if got, want := told(list(w, who, nil, all...)), "realname/now enterprise_refused/now enterprise_review/soon enterprise_draft/soon"; got != want {
		t.Errorf("a person is told %q, want %q", got, want)
	}
	as := account.Caller{Account: who.Account, Session: who.Session, Device: who.Device, Enterprise: "e", Administrator: true}
	got := list(w, as, nil, all...)
	if len(got) != 1 || got[0].Kind != "enterprise_refused" || got[0].Title != "企业信息变更未通过，请补正" || got[0].Action.Application != "refused" {
		t.Errorf("the enterprise is told %+v", got)
	}
}

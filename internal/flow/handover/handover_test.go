package handover_test

import (
	"context"
	"errors"
	"testing"

	"tianweitong/internal/custody"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/work"
)

func role(w *flowtest.World, in string, p *flowtest.Person) (role enterprise.Role) {
	w.T.Helper()
	w.Do(func(ctx context.Context, tx work.Tx) (err error) {
		role, _, err = w.Members.RoleOf(ctx, tx, p.Caller.Account, in)
		return err
	})
	return role
}

func Test2_4_4_TransferByPIN(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		boss, heir := w.Person(), w.Person()
		in := w.Found("示例建设有限公司", boss, heir)
		member := w.Membership(in, heir)

		if _, err := w.Handover.Begin(ctx, boss.Caller, in, member); !errors.Is(err, custody.CodeNoPIN) {
			t.Errorf("without a PIN: %v", err)
		}
		boss.SetPIN()
		heir.SetPIN()
		if _, err := w.Handover.Begin(ctx, heir.Caller, in, w.Membership(in, boss)); !errors.Is(err, enterprise.CodeNotAdministrator) {
			t.Errorf("by a member: %v", err)
		}
		if _, err := w.Handover.Begin(ctx, boss.NewPhone().Caller, in, member); !errors.Is(err, custody.CodeWrongDevice) {
			t.Errorf("on another phone: %v", err)
		}
		first, err := w.Handover.Begin(ctx, boss.Caller, in, member)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := w.Handover.Begin(ctx, boss.Caller, in, member)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := boss.Perform(ctx, first.Op, boss.Phone.PIN); !errors.Is(err, custody.CodeOperationOver) {
			t.Errorf("an earlier question is answered: %v", err)
		}
		if _, err := boss.Perform(ctx, asked.Op, "135792"); !errors.Is(err, custody.CodeWrongPIN) {
			t.Errorf("a wrong PIN: %v", err)
		}
		if role(w, in, boss) != enterprise.RoleAdministrator {
			t.Fatal("a wrong PIN transferred")
		}
		if _, err := boss.Perform(ctx, asked.Op, boss.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		if role(w, in, heir) != enterprise.RoleAdministrator || role(w, in, boss) != enterprise.RoleMember {
			t.Error("nothing was transferred")
		}
		w.Drain()
		if !w.Text.Sent("您已成为一家企业的管理员") || !w.Text.Sent("企业管理员已转让") {
			t.Error("not both were told")
		}
	})
}

func TestTransferByPINIsJudgedOnceMoreAtItsEnd(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		boss, heir := w.Person(), w.Person()
		boss.SetPIN()
		in := w.Found("示例建设有限公司", boss, heir)
		asked, err := w.Handover.Begin(ctx, boss.Caller, in, w.Membership(in, heir))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Members.Leave(ctx, heir.Caller, in); err != nil {
			t.Fatal(err)
		}
		if _, err := boss.Perform(ctx, asked.Op, boss.Phone.PIN); !errors.Is(err, enterprise.CodeMemberUnknown) {
			t.Errorf("to who left meanwhile: %v", err)
		}
		if role(w, in, boss) != enterprise.RoleAdministrator {
			t.Error("the enterprise has lost its administrator")
		}
	})
}

package enterprise_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/work"
)

func Test2_4_2_2_JoiningByApplication(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		boss, ann, ben, nobody := c.person(1, "管理甲"), c.person(2, "成员乙"), c.person(3, "成员丙"), c.person(4, "")
		e := c.found("示例建设有限公司", boss)

		_, err := c.Ask(ctx, nobody.Caller, e, boss.name, boss.phone)
		c.refused(err, realname.CodeNotVerified)
		_, err = c.Ask(ctx, ann.Caller, "absent", boss.name, boss.phone)
		c.refused(err, enterprise.CodeUnknown)
		_, err = c.Ask(ctx, boss.Caller, e, boss.name, boss.phone)
		c.refused(err, enterprise.CodeMemberAlready)

		r, err := c.Ask(ctx, ann.Caller, e, " 管理甲 ", boss.phone)
		c.must(err)
		if r.Head.Name != "示例建设有限公司" || r.State != enterprise.RequestOpen {
			t.Errorf("%+v", r)
		}
		_, err = c.Ask(ctx, ann.Caller, e, boss.name, boss.phone)
		c.refused(err, enterprise.CodeRequestAlready)
		if c.told(boss, "enterprise.join_requested") != 1 {
			t.Error("the administrator was not told")
		}
		if _, member := c.role(e, ann); member {
			t.Error("who asked is a member already")
		}

		_, err = c.Requests(ctx, ann.Caller, e)
		c.refused(err, enterprise.CodeLost)
		waiting, err := c.Requests(ctx, boss.Caller, e)
		c.must(err)
		if len(waiting) != 1 || waiting[0].Name != ann.name || waiting[0].Phone != "139****0002" {
			t.Errorf("waiting: %+v", waiting)
		}
		c.refused(c.Accept(ctx, ann.Caller, e, r.ID), enterprise.CodeLost)
		c.must(c.Accept(ctx, boss.Caller, e, r.ID))
		c.refused(c.Accept(ctx, boss.Caller, e, r.ID), enterprise.CodeRequestOver)
		if role, member := c.role(e, ann); !member || role != enterprise.RoleMember {
			t.Errorf("role %q, %v", role, member)
		}
		if c.told(ann, "enterprise.join_accepted") != 1 {
			t.Error("who asked was not told")
		}

		r, err = c.Ask(ctx, ben.Caller, e, boss.name, boss.phone)
		c.must(err)
		c.refused(c.Refuse(ctx, boss.Caller, e, r.ID, "否"), enterprise.CodeReason)
		c.refused(c.Refuse(ctx, ann.Caller, e, r.ID, "不是本公司人员"), enterprise.CodeNotAdministrator)
		c.must(c.Refuse(ctx, boss.Caller, e, r.ID, "不是本公司人员"))
		mine, err := c.Asked(ctx, ben.Caller)
		c.must(err)
		if len(mine) != 1 || mine[0].State != enterprise.RequestRefused || mine[0].Reason != "不是本公司人员" {
			t.Errorf("mine: %+v", mine)
		}
		r, err = c.Ask(ctx, ben.Caller, e, boss.name, boss.phone) // may ask again
		c.must(err)
		c.refused(c.Withdraw(ctx, ann.Caller, r.ID), enterprise.CodeRequestUnknown)
		c.must(c.Withdraw(ctx, ben.Caller, r.ID))
		c.refused(c.Accept(ctx, boss.Caller, e, r.ID), enterprise.CodeRequestOver)
	})
}

func TestWrongAdministratorIsLimitedUnderParallelAttack(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss := c.person(1, "管理甲")
		e := c.found("示例建设有限公司", boss)
		attackers := make([]someone, 6)
		for i := range attackers {
			attackers[i] = c.person(10+i, "路人丁")
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		judged, limited := map[string]int{}, map[string]int{}
		for i := range 60 {
			wg.Go(func() {
				a := attackers[i%len(attackers)]
				_, err := c.Ask(t.Context(), a.Caller, e, boss.name, fmt.Sprintf("138%08d", i))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, enterprise.CodeAdministratorWrong):
					judged[a.Account]++
				case errors.Is(err, enterprise.CodeJoinTooMany), errors.Is(err, enterprise.CodeJoinBusy):
					limited[a.Account]++
				default:
					t.Errorf("answered %v", err)
				}
			})
		}
		wg.Wait()
		total := 0
		for a, n := range judged {
			if total += n; n > enterprise.WrongPerAccount {
				t.Errorf("%s had %d entries judged", a, n)
			}
		}
		if total != enterprise.WrongPerEnterprise {
			t.Errorf("%d entries were judged, want %d", total, enterprise.WrongPerEnterprise)
		}
		_, err := c.Ask(t.Context(), c.person(99, "成员乙").Caller, e, boss.name, boss.phone)
		c.refused(err, enterprise.CodeJoinBusy)
		c.clock.Advance(24 * time.Hour)
		_, err = c.Ask(t.Context(), attackers[0].Caller, e, boss.name, boss.phone)
		c.must(err)
	})
}

func TestRightEntriesAreNotCharged(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		// Two enterprises: how often one is asked has a limit of its own.
		both := []string{c.found("示例建设有限公司", boss), c.found("示例工程有限公司", boss)}
		for i := range enterprise.WrongPerAccount + 2 {
			r, err := c.Ask(t.Context(), ann.Caller, both[i%2], boss.name, boss.phone)
			c.must(err)
			c.must(c.Withdraw(t.Context(), ann.Caller, r.ID))
		}
	})
}

func Test2_4_5_Invitation(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		other, later := c.person(3, "成员丙"), someone{name: "成员丁", phone: "13900000004"}
		e := c.found("示例建设有限公司", boss)

		_, err := c.Invite(ctx, ann.Caller, e, ann.name, ann.phone)
		c.refused(err, enterprise.CodeLost)
		_, err = c.Invite(ctx, boss.Caller, e, "Ann", ann.phone)
		c.refused(err, realname.CodeName)
		_, err = c.Invite(ctx, boss.Caller, e, ann.name, "123")
		c.refused(err, account.CodePhone)
		_, err = c.Invite(ctx, boss.Caller, e, boss.name, boss.phone)
		c.refused(err, enterprise.CodeInvitationMember)

		v, err := c.Invite(ctx, boss.Caller, e, ann.name, ann.phone)
		c.must(err)
		_, err = c.Invite(ctx, boss.Caller, e, ann.name, ann.phone)
		c.refused(err, enterprise.CodeInvitationAlready)
		seen, err := c.Look(ctx, c.token(ann))
		c.must(err)
		if seen.ID != v.ID || seen.Head.Name != "示例建设有限公司" || seen.InviterName != "管*甲" || seen.State != enterprise.InvitationOpen {
			t.Errorf("seen: %+v", seen)
		}
		if _, err := c.Look(ctx, "guess"); !errors.Is(err, enterprise.CodeInvitationUnknown) {
			t.Errorf("a guessed token: %v", err)
		}
		_, err = c.Take(ctx, other.Caller, v.ID)
		c.refused(err, enterprise.CodeInvitationUnknown)
		mine, err := c.Mine(ctx, ann.Caller)
		c.must(err)
		if len(mine) != 1 || c.told(ann, "enterprise.invited") != 1 {
			t.Errorf("mine: %+v", mine)
		}
		joined, err := c.Take(ctx, ann.Caller, v.ID)
		c.must(err)
		if role, member := c.role(e, ann); joined != e || !member || role != enterprise.RoleMember {
			t.Error("who accepted is no member")
		}
		_, err = c.Take(ctx, ann.Caller, v.ID)
		c.refused(err, enterprise.CodeInvitationOver)
		if c.told(boss, "enterprise.invitation_accepted") != 1 {
			t.Error("the administrator was not told once")
		}

		// Somebody without an account registers and verifies on the way.
		v, err = c.Invite(ctx, boss.Caller, e, later.name, later.phone)
		c.must(err)
		late := c.person(4, "")
		_, err = c.Take(ctx, late.Caller, v.ID)
		c.refused(err, realname.CodeNotVerified)
		c.do(func(ctx context.Context, tx work.Tx) error {
			_, err := store.Raw(tx).ExecContext(ctx, "UPDATE enterprise_invitations SET expires_at = $1 WHERE id = $2", morning.UnixMilli(), v.ID)
			return err
		})
		_, err = c.Take(ctx, late.Caller, v.ID)
		c.refused(err, enterprise.CodeInvitationExpired)
		c.refused(c.Resend(ctx, boss.Caller, e, v.ID), enterprise.CodeInvitationSoon)
		old := c.token(later)
		c.clock.Advance(time.Minute)
		c.must(c.Resend(ctx, boss.Caller, e, v.ID))
		if _, err := c.Look(ctx, old); !errors.Is(err, enterprise.CodeInvitationUnknown) {
			t.Errorf("the link of the earlier SMS still works: %v", err)
		}
		c.must(c.CancelInvitation(ctx, boss.Caller, e, v.ID))
		_, err = c.Take(ctx, late.Caller, v.ID)
		c.refused(err, enterprise.CodeInvitationOver)
	})
}

func TestInvitationNeedsTheInvitedName(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		e := c.found("示例建设有限公司", boss)
		v, err := c.Invite(t.Context(), boss.Caller, e, "成员丙", ann.phone)
		c.must(err)
		_, err = c.Take(t.Context(), ann.Caller, v.ID)
		c.refused(err, enterprise.CodeInvitationName)
		c.must(c.Decline(t.Context(), ann.Caller, v.ID))
		if c.told(boss, "enterprise.invitation_declined") != 1 {
			t.Error("the administrator was not told")
		}
	})
}

func TestInvitationExpiresAfterSevenDaysAndGivesWayToAnother(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		e := c.found("示例建设有限公司", boss)
		v, err := c.Invite(t.Context(), boss.Caller, e, ann.name, ann.phone)
		c.must(err)
		c.clock.Advance(enterprise.InvitationLife)
		_, err = c.Take(t.Context(), ann.Caller, v.ID)
		c.refused(err, enterprise.CodeInvitationExpired)
		if mine, err := c.Mine(t.Context(), ann.Caller); err != nil || len(mine) != 0 {
			t.Errorf("expired ones are offered: %+v, %v", mine, err)
		}
		again, err := c.Invite(t.Context(), boss.Caller, e, ann.name, ann.phone)
		c.must(err)
		_, err = c.Take(t.Context(), ann.Caller, again.ID)
		c.must(err)
		all, err := c.Invitations(t.Context(), boss.Caller, e)
		c.must(err)
		if len(all) != 2 || all[0].State != enterprise.InvitationAccepted || all[1].State != enterprise.InvitationExpired {
			t.Errorf("%+v", all)
		}
	})
}

func TestInvitationsToOneNumberAreLimited(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		for i := range enterprise.InvitesPerPhone + 1 {
			e := c.found(fmt.Sprintf("示例建设第%d有限公司", i), boss)
			_, err := c.Invite(t.Context(), boss.Caller, e, ann.name, ann.phone)
			if i < enterprise.InvitesPerPhone {
				c.must(err)
			} else {
				c.refused(err, enterprise.CodeInvitationTooMany)
			}
		}
	})
}

func Test2_4_5_RemovalAndLeaving(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		boss, ann, ben := c.person(1, "管理甲"), c.person(2, "成员乙"), c.person(3, "成员丙")
		e := c.found("示例建设有限公司", boss)
		c.join(e, ann, ben)
		m := c.id(e, ann)

		c.refused(c.Remove(ctx, ben.Caller, e, m, "已离职"), enterprise.CodeNotAdministrator)
		c.refused(c.Remove(ctx, boss.Caller, e, c.id(e, boss), "已离职"), enterprise.CodeRemoveSelf)
		c.refused(c.Remove(ctx, boss.Caller, e, m, " "), enterprise.CodeReason)
		c.refused(c.Leave(ctx, boss.Caller, e), enterprise.CodeAdministratorStays)

		c.left.fail = errors.New("a hook fails")
		if err := c.Remove(ctx, boss.Caller, e, m, "已离职"); !errors.Is(err, c.left.fail) {
			t.Errorf("a failing hook: %v", err)
		}
		if _, member := c.role(e, ann); !member {
			t.Error("the membership ended though a hook failed")
		}
		c.left.fail = nil
		c.must(c.Remove(ctx, boss.Caller, e, m, "已离职"))
		c.refused(c.Remove(ctx, boss.Caller, e, m, "已离职"), enterprise.CodeMemberUnknown)
		if _, member := c.role(e, ann); member {
			t.Error("still a member")
		}
		if c.told(ann, "enterprise.removed") != 1 || len(c.texts(ann, "notice")) != 1 {
			t.Error("who was removed was not told by notice and SMS")
		}
		if len(c.left.all) != 1 || !c.left.all[0].Removed || c.left.all[0].Account != ann.Account || c.left.all[0].Enterprise.ID != e {
			t.Errorf("departures: %+v", c.left.all)
		}
		c.must(c.Leave(ctx, ben.Caller, e))
		c.refused(c.Leave(ctx, ben.Caller, e), enterprise.CodeLost)
		if c.told(boss, "enterprise.left") != 1 {
			t.Error("the administrator was not told")
		}
		c.join(e, ann) // a former member may come back; the old row stays
		if c.id(e, ann) == m {
			t.Error("a former membership came back to life")
		}
	})
}

func Test2_4_4_TransferBySMS(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		e := c.found("示例建设有限公司", boss)
		c.join(e, ann)
		heir := c.id(e, ann)

		ticket, digits := c.code(ann, account.PurposeTransfer)
		c.refused(c.Transfer(ctx, ann.Caller, e, heir, ticket, digits), enterprise.CodeNotAdministrator)
		ticket, digits = c.code(boss, account.PurposeTransfer)
		c.refused(c.Transfer(ctx, boss.Caller, e, c.id(e, boss), ticket, digits), enterprise.CodeTransferSelf)
		c.refused(c.Transfer(ctx, boss.Caller, e, heir, ticket, "000000x"), account.CodeWrong)
		stolen := boss.Caller // signed in with the number, on another device
		stolen.Device = "e"
		c.refused(c.Transfer(ctx, stolen, e, heir, ticket, digits), account.CodeNotActive)
		c.must(c.Transfer(ctx, boss.Caller, e, heir, ticket, digits))
		if role, _ := c.role(e, ann); role != enterprise.RoleAdministrator {
			t.Error("the heir is not the administrator")
		}
		if role, member := c.role(e, boss); !member || role != enterprise.RoleMember {
			t.Error("the former administrator is not a member")
		}
		for _, p := range []struct {
			someone
			kind string
		}{{boss, "account.enterprise_transferred"}, {ann, "enterprise.administrator"}} {
			if c.told(p.someone, p.kind) != 1 || len(c.texts(p.someone, "notice")) != 1 {
				t.Errorf("%s was not told by notice and SMS", p.name)
			}
		}
		c.refused(c.Transfer(ctx, boss.Caller, e, heir, ticket, digits), enterprise.CodeNotAdministrator)
	})
}

func TestMembersAreListedInPagesAndFoundByNameOrNumber(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		boss := c.person(1, "管理甲")
		e, elsewhere := c.found("示例建设有限公司", boss), c.found("别家建设有限公司", boss)
		var all []someone
		for i := range enterprise.MemberPage + 5 {
			name := "成员乙"
			if i%10 == 0 {
				name = "欧阳示例"
			}
			all = append(all, c.person(100+i, name))
		}
		c.join(e, all...)
		first, err := c.List(ctx, boss.Caller, e, "", "")
		c.must(err)
		rest, err := c.List(ctx, boss.Caller, e, "", first.Next)
		c.must(err)
		if len(first.Colleagues) != enterprise.MemberPage || len(rest.Colleagues) != 6 || rest.Next != "" || first.Total != len(all)+1 {
			t.Errorf("pages of %d and %d, total %d", len(first.Colleagues), len(rest.Colleagues), first.Total)
		}
		if first.Colleagues[0].Role != enterprise.RoleAdministrator || first.Colleagues[1].Role != enterprise.RoleMember {
			t.Error("roles are wrong")
		}
		for search, want := range map[string]int{"欧": 6, "欧阳": 6, "欧阳示例": 6, "阳": 0, "管理": 1, all[3].phone: 1, "13800000000": 0} {
			p, err := c.List(ctx, boss.Caller, e, search, "")
			c.must(err)
			if len(p.Colleagues) != want || p.Total != want {
				t.Errorf("%s finds %d of %d, want %d", search, len(p.Colleagues), p.Total, want)
			}
		}
		if p, err := c.List(ctx, boss.Caller, elsewhere, "欧阳", ""); err != nil || p.Total != 0 {
			t.Errorf("another enterprise's members are found: %+v, %v", p, err)
		}
		c.must(c.Remove(ctx, boss.Caller, e, c.id(e, all[0]), "已离职"))
		if p, err := c.List(ctx, boss.Caller, e, "欧阳", ""); err != nil || p.Total != 5 || len(p.Colleagues) != 5 {
			t.Errorf("a former member is found: %d, %v", p.Total, err)
		}
		_, err = c.List(ctx, all[1].Caller, e, "", "")
		c.refused(err, enterprise.CodeNotAdministrator)
		_, err = c.List(ctx, all[0].Caller, e, "", "")
		c.refused(err, enterprise.CodeLost)
	})
}

func Test2_4_3_Identities(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		one, two := c.found("示例建设有限公司", boss), c.found("别家建设有限公司", ann)
		c.join(one, ann)
		c.Applications = unverified{
			{ID: "a1", Kind: enterprise.KindCreate, Name: "审核中公司", State: enterprise.StateReviewing},
			{ID: "a2", Kind: enterprise.KindCreate, Name: "草稿公司", State: enterprise.StateDraft},
		}
		_, err := c.Invite(t.Context(), boss.Caller, c.found("第三家建设有限公司", boss), ann.name, ann.phone)
		c.must(err)
		all, err := c.Identities(t.Context(), ann.Caller)
		c.must(err)
		if all.Name != ann.name || len(all.Memberships) != 2 || all.Invitations != 1 || len(all.Pending) != 1 || all.Pending[0].ID != "a1" {
			t.Fatalf("%+v", all)
		}
		if m := all.Memberships; m[0].Head.ID != two || m[0].Role != enterprise.RoleAdministrator || m[1].Head.ID != one || m[1].Role != enterprise.RoleMember {
			t.Errorf("%+v", m)
		}
	})
}

// TestSixtyFourAtOnceLeaveOneAdministratorAndNoLostMember runs transfers, removals,
// approvals and departures on one enterprise at once (docs/domain.md §5.1).
func TestSixtyFourAtOnceLeaveOneAdministratorAndNoLostMember(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		const each = 16
		boss := c.person(1, "管理甲")
		e := c.found("示例建设有限公司", boss)
		var heirs, removed, asking, leaving []someone
		for i := range each {
			heirs, removed = append(heirs, c.person(100+i, "继任甲")), append(removed, c.person(200+i, "离职乙"))
			asking, leaving = append(asking, c.person(300+i, "申请丙")), append(leaving, c.person(400+i, "退出丁"))
		}
		c.join(e, heirs...)
		c.join(e, removed...)
		c.join(e, leaving...)
		requests := make([]string, each)
		for i, a := range asking {
			r, err := c.Ask(ctx, a.Caller, e, boss.name, boss.phone)
			c.must(err)
			requests[i] = r.ID
		}
		memberships := map[string]string{}
		for _, s := range append(append([]someone{}, heirs...), removed...) {
			memberships[s.Account] = c.id(e, s)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := map[string]bool{}
		run := func(name string, f func() error) {
			wg.Go(func() {
				err := f()
				if err == nil {
					mu.Lock()
					done[name] = true
					mu.Unlock()
				} else if !errors.Is(err, enterprise.CodeNotAdministrator) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		for i := range each {
			run("hand "+heirs[i].Account, func() error {
				return c.st.Do(ctx, "test", func(ctx context.Context, tx work.Tx) error {
					return c.Hand(ctx, tx, boss.Account, e, memberships[heirs[i].Account])
				})
			})
			run("remove "+removed[i].Account, func() error {
				return c.Remove(ctx, boss.Caller, e, memberships[removed[i].Account], "已离职")
			})
			run("accept "+asking[i].Account, func() error { return c.Accept(ctx, boss.Caller, e, requests[i]) })
			run("leave "+leaving[i].Account, func() error { return c.Leave(ctx, leaving[i].Caller, e) })
		}
		wg.Wait()

		administrators, handed := 0, 0
		expect := func(s someone, want bool) {
			role, member := c.role(e, s)
			if member != want {
				t.Errorf("%s is a member: %v, want %v", s.Account, member, want)
			}
			if role == enterprise.RoleAdministrator && member {
				administrators++
			}
		}
		expect(boss, true)
		for i := range each {
			if done["hand "+heirs[i].Account] {
				handed++
				if role, _ := c.role(e, heirs[i]); role != enterprise.RoleAdministrator {
					t.Errorf("%s was handed the enterprise and is %q", heirs[i].Account, role)
				}
			}
			expect(heirs[i], true)
			expect(removed[i], !done["remove "+removed[i].Account])
			expect(asking[i], done["accept "+asking[i].Account])
			expect(leaving[i], false)
		}
		if administrators != 1 || handed != 1 {
			t.Errorf("%d administrators after %d transfers", administrators, handed)
		}
	})
}

func TestAnAdministratorsAccountStaysAndAMembersLeavesOnClosing(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		e, other := c.found("示例建设有限公司", boss), c.found("别家建设有限公司", boss)
		c.join(e, ann)
		_, err := c.Ask(t.Context(), ann.Caller, other, boss.name, boss.phone)
		c.must(err)
		c.do(func(ctx context.Context, tx work.Tx) error {
			if n, err := c.Administered(ctx, tx, boss.Account); err != nil || n != 2 {
				t.Errorf("administers %d, %v", n, err)
			}
			return c.Close(ctx, tx, ann.Account)
		})
		if _, member := c.role(e, ann); member {
			t.Error("a closed account is a member")
		}
		if waiting, err := c.Requests(t.Context(), boss.Caller, other); err != nil || len(waiting) != 0 {
			t.Errorf("its request waits: %+v, %v", waiting, err)
		}
		err = c.st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return c.Close(ctx, tx, boss.Account) })
		c.refused(err, enterprise.CodeAdministratorStays)
	})
}

func TestAnotherEnterprisesAdministratorReachesNothing(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		boss, rival, ann, ben := c.person(1, "管理甲"), c.person(2, "别家乙"), c.person(3, "成员丙"), c.person(4, "成员丁")
		e, other := c.found("示例建设有限公司", boss), c.found("别家建设有限公司", rival)
		c.join(e, ann)
		member := c.id(e, ann)
		r, err := c.Ask(ctx, ben.Caller, e, boss.name, boss.phone)
		c.must(err)
		v, err := c.Invite(ctx, boss.Caller, e, ben.name, ben.phone)
		c.must(err)
		for name, x := range map[string]struct {
			do           func(in string) error
			there, other error
		}{
			"remove":   {func(in string) error { return c.Remove(ctx, rival.Caller, in, member, "已离职") }, enterprise.CodeLost, enterprise.CodeMemberUnknown},
			"accept":   {func(in string) error { return c.Accept(ctx, rival.Caller, in, r.ID) }, enterprise.CodeLost, enterprise.CodeRequestUnknown},
			"refuse":   {func(in string) error { return c.Refuse(ctx, rival.Caller, in, r.ID, "不认识") }, enterprise.CodeLost, enterprise.CodeRequestUnknown},
			"cancel":   {func(in string) error { return c.CancelInvitation(ctx, rival.Caller, in, v.ID) }, enterprise.CodeLost, enterprise.CodeInvitationUnknown},
			"resend":   {func(in string) error { return c.Resend(ctx, rival.Caller, in, v.ID) }, enterprise.CodeLost, enterprise.CodeInvitationUnknown},
			"transfer": {func(in string) error { return c.Transfer(ctx, rival.Caller, in, member, "t", "000000") }, enterprise.CodeLost, enterprise.CodeMemberUnknown},
			"list":     {func(in string) error { _, err := c.List(ctx, rival.Caller, in, "", ""); return err }, enterprise.CodeLost, nil},
		} {
			if err := x.do(e); !errors.Is(err, x.there) {
				t.Errorf("%s there: %v", name, err)
			}
			if err := x.do("absent"); !errors.Is(err, enterprise.CodeLost) {
				t.Errorf("%s nowhere: %v", name, err)
			}
			if err := x.do(other); !errors.Is(err, x.other) {
				t.Errorf("%s with his own enterprise's name: %v", name, err)
			}
		}
		if _, is := c.role(e, ann); !is {
			t.Error("trying ended a membership")
		}
	})
}

func TestAskingAgainAndAgainIsBounded(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		e, other := c.found("示例建设有限公司", boss), c.found("示例工程有限公司", boss)
		for range enterprise.RequestsADay {
			r, err := c.Ask(t.Context(), ann.Caller, e, boss.name, boss.phone)
			c.must(err)
			c.must(c.Withdraw(t.Context(), ann.Caller, r.ID))
		}
		_, err := c.Ask(t.Context(), ann.Caller, e, boss.name, boss.phone)
		c.refused(err, enterprise.CodeJoinOften)
		if n := c.told(boss, "enterprise.join_requested"); n != enterprise.RequestsADay {
			t.Errorf("the administrator was told %d times", n)
		}
		_, err = c.Ask(t.Context(), ann.Caller, other, boss.name, boss.phone)
		c.must(err)
		c.clock.Advance(24 * time.Hour)
		_, err = c.Ask(t.Context(), ann.Caller, e, boss.name, boss.phone)
		c.must(err)
	})
}

func TestAMembersNumberCannotBeTriedOut(t *testing.T) {
	eachClub(t, func(t *testing.T, c *club) {
		ctx := t.Context()
		boss, ann := c.person(1, "管理甲"), c.person(2, "成员乙")
		e := c.found("示例建设有限公司", boss)
		c.join(e, ann)
		for n := range enterprise.NumbersADay - 1 {
			p, err := c.List(ctx, boss.Caller, e, fmt.Sprintf("137%08d", n), "")
			c.must(err)
			if p.Total != 0 {
				t.Errorf("found %+v", p)
			}
			if p, err = c.List(ctx, boss.Caller, e, ann.phone, ""); err != nil || p.Total != 1 { // one's number is not charged
				t.Fatalf("%+v, %v", p, err)
			}
		}
		_, err := c.Invite(ctx, boss.Caller, e, ann.name, ann.phone)
		c.refused(err, enterprise.CodeInvitationMember)
		for _, number := range []string{ann.phone, "13700000999"} { // neither answer tells any more
			_, err = c.List(ctx, boss.Caller, e, number, "")
			c.refused(err, enterprise.CodeSeekTooMany)
			_, err = c.Invite(ctx, boss.Caller, e, ann.name, number)
			c.refused(err, enterprise.CodeSeekTooMany)
		}
		if p, err := c.List(ctx, boss.Caller, e, "成员", ""); err != nil || p.Total != 1 {
			t.Errorf("by name: %+v, %v", p, err)
		}
		c.clock.Advance(24 * time.Hour)
		if p, err := c.List(ctx, boss.Caller, e, ann.phone, ""); err != nil || p.Total != 1 {
			t.Errorf("the next day: %+v, %v", p, err)
		}
	})
}

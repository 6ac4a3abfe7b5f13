package enterprise_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
	"tianweitong/internal/worktime"
)

var (
	officerA = verification.Officer{ID: "oa"}
	officerB = verification.Officer{ID: "ob"}
)

func TestAnEnterpriseIsVerifiedByItsDocuments_2_4_2(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p := t.Context(), b.person(1, "测试甲")
		a := b.submitted(p, facts(codeA))
		if a.State != enterprise.StateReviewing || a.Method != enterprise.MethodDocuments || b.Progress(a).Left != worktime.Day {
			t.Fatalf("submitted application %+v, left %s", a, b.Progress(a).Left)
		}
		_, err := b.Correct(ctx, p.Account, a.ID, facts(codeB))
		b.refused(err, verification.CodeApplicationBusy)
		page, err := b.Reviews(ctx, verification.TabOpen, "")
		if err != nil || len(page.Rows) != 1 || page.Total != 1 || page.Rows[0].ID != a.ID || page.Rows[0].Left != worktime.Day {
			t.Fatalf("queue %+v, %v", page, err)
		}
		r, err := b.Review(ctx, a.ID)
		if err != nil || r.ApplicantName != "测试甲" || r.ApplicantPhone != "139****0001" || len(r.Facts) != 5 || len(r.Events) != 1 {
			t.Fatalf("review %+v, %v", r, err)
		}
		for _, f := range r.Facts {
			if !f.Match {
				t.Errorf("%s does not match: %+v", f.Item, f)
			}
		}
		if _, err := b.Picture(ctx, a.ID, enterprise.PictureLetter); err != nil {
			t.Error(err)
		}
		b.must(b.Claim(ctx, officerA, a.ID))
		b.refused(b.Approve(ctx, officerA, a.ID, a.SubmittedAt, b.checks(a)[1:]), verification.CodeChecklist)
		b.must(b.approve(officerA, a))
		a = b.state(p, a.ID, enterprise.StateVerified)
		if role, _ := b.role(a.Enterprise, p); role != enterprise.RoleAdministrator || a.DecidedBy != "oa" {
			t.Errorf("the applicant is %q after %s's decision", role, a.DecidedBy)
		}
		b.refused(b.approve(officerB, a), verification.CodeDecided)
		if page, err = b.Reviews(ctx, verification.TabDone, ""); err != nil || len(page.Rows) != 1 || page.Total != 1 {
			t.Errorf("done %+v, %v", page, err)
		}
	})
}

func TestARefusedApplicationIsCorrectedWithoutTypingAllAgain_2_4_2(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p := t.Context(), b.person(1, "测试甲")
		a := b.submitted(p, facts(codeA))
		b.refused(b.Refuse(ctx, officerA, a.ID, a.SubmittedAt, nil, ""), verification.CodeRefusal)
		b.refused(b.Refuse(ctx, officerA, a.ID, a.SubmittedAt, []string{"because"}, ""), verification.CodeRefusal)
		b.refused(b.Refuse(ctx, officerA, a.ID, a.SubmittedAt, []string{"other"}, " "), verification.CodeRefusal)
		b.must(b.Claim(ctx, officerA, a.ID))
		b.must(b.Refuse(ctx, officerA, a.ID, a.SubmittedAt, []string{"letter_no_seal", "other"}, "请在落款处盖章"))
		a = b.state(p, a.ID, enterprise.StateRefused, "letter_no_seal", "other")
		if a.Note != "请在落款处盖章" || b.told(p, "enterprise.refused") != 1 || len(b.texts(p, "notice")) != 1 {
			t.Errorf("refused application %+v", a)
		}
		a, err := b.PutPicture(ctx, p.Account, a.ID, enterprise.PictureLetter, photo())
		b.must(err)
		a, err = b.Submit(ctx, p.Account, a.ID)
		if err != nil || a.State != enterprise.StateReviewing || a.Note != "" {
			t.Fatalf("submitted again: %+v, %v", a, err)
		}
		b.must(b.approve(officerB, a))
		b.state(p, a.ID, enterprise.StateVerified)
	})
}

func TestAClaimKeepsOthersAwayForFifteenMinutes(t *testing.T) {
	b := oneBureau(t)
	ctx, p := t.Context(), b.person(1, "测试甲")
	a := b.submitted(p, facts(codeA))
	b.must(b.Claim(ctx, officerA, a.ID))
	b.must(b.Claim(ctx, officerA, a.ID))
	for _, err := range []error{b.Claim(ctx, officerB, a.ID), b.Approve(ctx, officerB, a.ID, a.SubmittedAt, b.checks(a)), b.Refuse(ctx, officerB, a.ID, a.SubmittedAt, []string{"id_expired"}, ""),
		b.Release(ctx, officerB, a.ID), b.Escalate(ctx, officerB, a.ID, "请复核")} {
		b.refused(err, verification.CodeClaimed)
	}
	page, err := b.Reviews(ctx, verification.TabOpen, "")
	if err != nil || page.Rows[0].Claimed != "oa" {
		t.Errorf("queue %+v, %v", page, err)
	}
	b.clock.Advance(verification.ClaimLife)
	b.must(b.Claim(ctx, officerB, a.ID))
	b.must(b.Release(ctx, officerB, a.ID))
	b.must(b.Claim(ctx, officerA, a.ID))
}

// An officer decides what he has before him and looked at, not what came after it.
func TestADecisionIsAboutWhatItsOfficerSaw(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p := t.Context(), b.person(1, "测试甲")
		a := b.submitted(p, facts(codeA))
		approve := func(o verification.Officer) error { return b.Approve(ctx, o, a.ID, a.SubmittedAt, b.checks(a)) }
		refuse := func(o verification.Officer) error {
			return b.Refuse(ctx, o, a.ID, a.SubmittedAt, []string{"id_expired"}, "")
		}
		for _, err := range []error{approve(officerA), refuse(officerA)} {
			b.refused(err, verification.CodeUnclaimed)
		}
		b.must(b.Claim(ctx, officerA, a.ID))
		b.clock.Advance(verification.ClaimLife)
		for _, err := range []error{approve(officerA), refuse(officerA)} {
			b.refused(err, verification.CodeUnclaimed)
		}
		b.must(b.Claim(ctx, officerB, a.ID))
		b.must(refuse(officerB))
		b.clock.Advance(time.Minute)
		_, err := b.PutPicture(ctx, p.Account, a.ID, enterprise.PictureLicence, photo())
		b.must(err)
		again, err := b.Submit(ctx, p.Account, a.ID)
		b.must(err)
		b.must(b.Claim(ctx, officerA, a.ID))
		for _, err := range []error{approve(officerA), refuse(officerA)} {
			b.refused(err, verification.CodeChanged)
		}
		b.must(b.approve(officerA, again))
	})
}

func TestASecondOpinionIsAnotherOfficers(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p := t.Context(), b.person(1, "测试甲")
		a := b.submitted(p, facts(codeA))
		b.refused(b.Escalate(ctx, officerA, a.ID, ""), verification.CodeNote)
		b.must(b.Escalate(ctx, officerA, a.ID, "印文难以辨认"))
		b.refused(b.Escalate(ctx, officerB, a.ID, "请您决定"), verification.CodeEscalated) // or it would be the first's again
		for tab, want := range map[verification.Tab]int{verification.TabOpen: 0, verification.TabSecond: 1} {
			if page, err := b.Reviews(ctx, tab, ""); err != nil || len(page.Rows) != want || page.Total != want {
				t.Errorf("%s: %+v, %v", tab, page, err)
			}
		}
		b.refused(b.approve(officerA, a), verification.CodeSecond)
		b.refused(b.Refuse(ctx, officerA, a.ID, a.SubmittedAt, []string{"id_expired"}, ""), verification.CodeSecond)
		b.must(b.approve(officerB, a))
	})
}

func TestNobodyReviewsWhatConcernsHimself(t *testing.T) {
	b := oneBureau(t)
	ctx, p, colleague := t.Context(), b.person(1, "测试甲"), b.person(2, "测试乙")
	hash := func(s someone) verification.Officer {
		return verification.Officer{ID: "o" + s.Account, PhoneHash: b.st.Box.Hash("phone", []byte(s.phone))}
	}
	a := b.submitted(p, facts(codeA))
	b.refused(b.Claim(ctx, hash(p), a.ID), verification.CodeInvolved)
	b.refused(b.approve(hash(p), a), verification.CodeInvolved)
	b.must(b.approve(hash(colleague), a))
	e := b.state(p, a.ID, enterprise.StateVerified).Enterprise
	b.join(e, colleague)
	change := b.submitted(p, verification.Facts{Enterprise: e, Name: "测试甲科技集团有限公司"})
	b.refused(b.approve(hash(colleague), change), verification.CodeInvolved)
	b.must(b.approve(officerA, change))
}

func TestTheQueueIsByDeadlineAndPages(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		p := b.person(1, "测试甲")
		a := b.submitted(p, facts(codeA))
		b.clock.Advance(time.Minute)
		second := b.submitted(p, facts(codeB))
		s := b.Service.Store
		for _, x := range []struct {
			after enterprise.Application
			want  string
		}{{enterprise.Application{}, a.ID}, {a, second.ID}} {
			b.do(func(ctx context.Context, tx work.Tx) error {
				got, err := s.Queue(ctx, tx, false, x.after.DueAt, x.after.ID, 1)
				if err != nil || len(got) != 1 || got[0].ID != x.want {
					t.Errorf("after %q: %v, %v", x.after.ID, got, err)
				}
				return nil
			})
		}
	})
}

func TestChangedFactsKeepTheirHistory(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p, q := t.Context(), b.person(1, "测试甲"), b.person(2, "测试乙")
		a := b.applied(p, facts(codeA))
		a, err := b.Verify(ctx, p.Caller, a.ID, b.proof(p, legalPhone))
		b.must(err)
		e := a.Enterprise
		b.join(e, q)
		for _, x := range []struct {
			who  someone
			f    verification.Facts
			want error
		}{
			{q, verification.Facts{Enterprise: e, Name: "测试乙科技有限公司"}, enterprise.CodeNotAdministrator},
			{b.person(3, "测试丙"), verification.Facts{Enterprise: e, Name: "测试乙科技有限公司"}, enterprise.CodeLost},
			{p, verification.Facts{Enterprise: e}, verification.CodeSame},
			{p, verification.Facts{Enterprise: e, Code: codeB}, verification.CodeOtherCode},
		} {
			_, err := b.Apply(ctx, x.who.Caller, x.f)
			b.refused(err, x.want)
		}
		change := b.applied(p, verification.Facts{Enterprise: e, Name: "测试乙科技有限公司", LegalName: "测试法乙", LegalIDNumber: legalB})
		b.changes.fail = errors.New("a follower cannot")
		if got, err := b.Verify(ctx, p.Caller, change.ID, b.proof(p, legalPhone)); err != nil || got.State != enterprise.StateVerifying {
			t.Fatalf("with a follower that cannot: %+v, %v", got, err)
		}
		b.changes.fail = nil
		b.clock.Advance(time.Minute)
		b.must(b.jobs.Drain(ctx))
		b.state(p, change.ID, enterprise.StateVerified)
		v, err := b.View(ctx, p.Account, e)
		if err != nil || v.Name != "测试乙科技有限公司" || v.LegalIDNumber != legalB || v.Enterprise.Facts != 2 || len(v.History) != 2 || v.History[1].LegalName != "测试法" {
			t.Errorf("view %+v, %v", v, err)
		}
		if len(b.changes.all) != 1 || b.changes.all[0][0].Name != "测试甲科技有限公司" {
			t.Errorf("followers heard %+v", b.changes.all)
		}
		for query, want := range map[string]int{"甲科技": 0, "乙科技": 1} {
			if got, err := b.Search(ctx, q.Account, query); err != nil || len(got) != want {
				t.Errorf("%s: %v, %v", query, got, err)
			}
		}
	})
}

func TestAFormerAdministratorChangesNothing(t *testing.T) {
	b := oneBureau(t)
	ctx, p, q := t.Context(), b.person(1, "测试甲"), b.person(2, "测试乙")
	a := b.applied(p, facts(codeA))
	a, err := b.Verify(ctx, p.Caller, a.ID, b.proof(p, legalPhone))
	b.must(err)
	b.join(a.Enterprise, q)
	change := b.submitted(p, verification.Facts{Enterprise: a.Enterprise, Name: "测试乙科技有限公司"})
	b.do(func(ctx context.Context, tx work.Tx) error {
		return b.Service.Members.Store.Hand(ctx, tx, a.Enterprise, p.Account, q.Account)
	})
	b.must(b.approve(officerA, change))
	b.state(p, change.ID, enterprise.StateEnded, verification.ReasonNotAdministrator.Name)
	if v, err := b.View(ctx, q.Account, a.Enterprise); err != nil || v.Name != "测试甲科技有限公司" {
		t.Errorf("view %+v, %v", v, err)
	}
}

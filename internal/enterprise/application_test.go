package enterprise_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/picture"
	"tianweitong/internal/realname"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

const legalPhone = "13800009999"

func TestAnEnterpriseIsVerifiedByTheRepresentativesPhone_2_4_2(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p := t.Context(), b.person(1, "测试甲")
		a := b.applied(p, facts(codeA))
		if !strings.HasPrefix(a.Number, "RV-261123-") || a.Record.Status != "存续" {
			t.Errorf("application %+v", a)
		}
		a, err := b.Verify(ctx, p.Caller, a.ID, b.proof(p, legalPhone))
		b.must(err)
		if a.State != enterprise.StateVerified || a.Enterprise == "" || a.Phone+a.LegalIDNumber != "" {
			t.Fatalf("verified application %+v", a)
		}
		if role, member := b.role(a.Enterprise, p); role != enterprise.RoleAdministrator || !member {
			t.Errorf("the applicant is %q, member %v", role, member)
		}
		v, err := b.View(ctx, p.Account, a.Enterprise)
		b.must(err)
		if v.Code != codeA || v.Method != enterprise.MethodPhone || v.Facts != 1 || len(v.History) != 1 || v.AdministratorName != "测试甲" || v.LegalIDNumber != legalA {
			t.Errorf("view %+v", v)
		}
		if n := b.told(p, "enterprise.verified"); n != 1 {
			t.Errorf("%d notices", n)
		}
		_, err = b.OwnPicture(ctx, p.Account, a.ID, enterprise.PictureIDFront)
		b.refused(err, verification.CodePictureUnknown) // they have served
		_, err = b.Apply(ctx, p.Caller, facts(codeA))
		b.refused(err, verification.CodeExists)
	})
}

func TestAnEnterpriseIsVerifiedByTheRepresentativesCard_2_4_2(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p := t.Context(), b.person(1, "测试甲")
		a := b.applied(p, facts(codeA))
		b.outside.person = []realname.Answer{{Reason: realname.ReasonCardPhone}}
		proof := b.proof(p, legalPhone)
		proof.Method, proof.Card = enterprise.MethodBank, "6222 0000 0000 0000 0"
		_, err := b.Verify(ctx, p.Caller, a.ID, proof)
		b.refused(err, realname.CodeCard)
		proof.Card = "4111 1111 1111 1111"
		a, err = b.Verify(ctx, p.Caller, a.ID, proof)
		b.must(err)
		b.state(p, a.ID, enterprise.StateChecked, verification.ReasonCardPhone.Name)
		_, err = b.Verify(ctx, p.Caller, a.ID, proof)
		b.refused(err, account.CodeUsed)
		proof = b.proof(p, legalPhone)
		proof.Method, proof.Card = enterprise.MethodBank, "4111111111111111"
		a, err = b.Verify(ctx, p.Caller, a.ID, proof)
		b.must(err)
		if a.State != enterprise.StateVerified || a.Card != "" {
			t.Errorf("application %+v", a)
		}
	})
}

func TestACodeToAnotherNumberProvesNothing(t *testing.T) {
	b := oneBureau(t)
	p, q := b.person(1, "测试甲"), b.person(2, "测试乙")
	a := b.applied(p, facts(codeA))
	proof := b.proof(p, legalPhone)
	proof.Phone = "13800008888"
	_, err := b.Verify(t.Context(), p.Caller, a.ID, proof)
	b.refused(err, account.CodeUnknown)
	proof.Phone = legalPhone
	_, err = b.Verify(t.Context(), q.Caller, a.ID, proof)
	b.refused(err, verification.CodeApplicationUnknown)
	b.state(p, a.ID, enterprise.StateChecked)
}

func TestTheRegistersAnswerDecidesWhatCanFollow(t *testing.T) {
	b := oneBureau(t)
	ctx, p := t.Context(), b.person(1, "测试甲")
	a, err := b.Apply(ctx, p.Caller, facts(codeA))
	b.must(err)
	b.outside.facts = []verification.RegistryAnswer{{Reason: verification.ReasonName}, {Reason: verification.ReasonLegal}}
	_, err = b.Check(ctx, p.Account, a.ID)
	b.must(err)
	a = b.state(p, a.ID, enterprise.StateDraft, verification.ReasonName.Name)
	if a.Remaining != verification.Daily-1 {
		t.Errorf("%d checks remain", a.Remaining)
	}
	// The name alone is typed again.
	_, err = b.Correct(ctx, p.Account, a.ID, verification.Facts{Name: "测试甲科技集团有限公司"})
	b.must(err)
	_, err = b.Check(ctx, p.Account, a.ID)
	b.must(err)
	a = b.state(p, a.ID, enterprise.StateChecked, verification.ReasonLegal.Name)
	if w := b.Progress(a).Ways; len(w) != 1 || w[0] != enterprise.MethodDocuments {
		t.Errorf("ways %v", w)
	}
	_, err = b.Verify(ctx, p.Caller, a.ID, b.proof(p, legalPhone))
	b.refused(err, verification.CodeStep)
	// Other facts are checked anew.
	a, err = b.Correct(ctx, p.Account, a.ID, verification.Facts{LegalName: "测试法乙", LegalIDNumber: legalB})
	b.must(err)
	if a.State != enterprise.StateDraft || a.Record != (enterprise.Record{}) {
		t.Errorf("corrected application %+v", a)
	}
}

func TestChecksAreFiveADay(t *testing.T) {
	b := oneBureau(t)
	ctx, p := t.Context(), b.person(1, "测试甲")
	a, err := b.Apply(ctx, p.Caller, facts(codeA))
	b.must(err)
	for range verification.Daily {
		b.outside.facts = []verification.RegistryAnswer{{Reason: verification.ReasonCode}}
		_, err := b.Check(ctx, p.Account, a.ID)
		b.must(err)
	}
	_, err = b.Check(ctx, p.Account, a.ID)
	b.refused(err, verification.CodeChecks)
	b.clock.Advance(24 * time.Hour)
	_, err = b.Check(ctx, p.Account, a.ID)
	b.must(err)
}

func TestACheckThatNobodyAnswersGoesOnAndIsNotCounted(t *testing.T) {
	b := oneBureau(t)
	ctx, p := t.Context(), b.person(1, "测试甲")
	a, err := b.Apply(ctx, p.Caller, facts(codeA))
	b.must(err)
	b.outside.away = 1
	a, err = b.Check(ctx, p.Account, a.ID)
	b.must(err)
	if a.Ref == "" || a.State != enterprise.StateDraft {
		t.Fatalf("application %+v", a)
	}
	_, err = b.Check(ctx, p.Account, a.ID)
	b.refused(err, verification.CodeApplicationBusy)
	b.clock.Advance(time.Minute)
	b.must(b.jobs.Drain(ctx))
	a = b.state(p, a.ID, enterprise.StateChecked)
	if len(b.outside.refs) != 1 {
		t.Errorf("asked by %d references", len(b.outside.refs))
	}
	for _, k := range []string{enterprise.PictureIDFront, enterprise.PictureIDBack} {
		_, err = b.PutPicture(ctx, p.Account, a.ID, k, photo())
		b.must(err)
	}
	b.outside.away = 100
	a, err = b.Verify(ctx, p.Caller, a.ID, b.proof(p, legalPhone))
	b.must(err)
	if a.State != enterprise.StateVerifying || a.Remaining != verification.Daily-1 {
		t.Fatalf("application %+v", a)
	}
	for range 40 {
		b.clock.Advance(time.Minute)
		b.must(b.jobs.Drain(ctx))
	}
	a = b.state(p, a.ID, enterprise.StateChecked, verification.ReasonAway.Name)
	if a.Phone != "" || a.Remaining != verification.Daily {
		t.Errorf("given back: %+v", a)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	b := oneBureau(t)
	ctx, nobody, p := t.Context(), b.person(1, ""), b.person(2, "测试乙")
	_, err := b.Apply(ctx, nobody.Caller, facts(codeA))
	b.refused(err, realname.CodeNotVerified)
	for _, f := range []verification.Facts{
		{Name: "测试", Code: codeA, LegalName: "测试法", LegalIDNumber: legalA},
		{Name: "测试甲科技有限公司", Code: codeA[:17] + "0", LegalName: "测试法", LegalIDNumber: legalA},
		{Name: "测试甲科技有限公司", Code: codeA, LegalName: "Nobody", LegalIDNumber: legalA},
		{Name: "测试甲科技有限公司", Code: codeA, LegalName: "测试法", LegalIDNumber: "1"},
	} {
		if _, err := b.Apply(ctx, p.Caller, f); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
	a, err := b.Apply(ctx, p.Caller, facts(codeA))
	b.must(err)
	_, err = b.Apply(ctx, p.Caller, facts(codeA))
	b.refused(err, verification.CodeOpen)
	_, err = b.Submit(ctx, p.Account, a.ID)
	b.refused(err, verification.CodeStep)
	a, err = b.Check(ctx, p.Account, a.ID)
	b.must(err)
	_, err = b.Submit(ctx, p.Account, a.ID)
	b.refused(err, verification.CodeMissing)
	_, err = b.Verify(ctx, p.Caller, a.ID, verification.Proof{Method: enterprise.MethodPhone, Phone: legalPhone})
	b.refused(err, verification.CodeMissing)
	_, err = b.PutPicture(ctx, p.Account, a.ID, "selfie", photo())
	b.refused(err, verification.CodePictureUnknown)
	letter, err := b.Letter(ctx, p.Account, a.ID)
	if err != nil || !strings.Contains(string(letter), "测试乙") {
		t.Errorf("letter %q, %v", letter, err)
	}
	b.must(b.Service.Withdraw(ctx, p.Account, a.ID))
	_, err = b.Check(ctx, p.Account, a.ID)
	b.refused(err, verification.CodeApplicationOver)
}

func TestAWithdrawnApplicationKeepsNothing(t *testing.T) {
	b := oneBureau(t)
	ctx, p := t.Context(), b.person(1, "测试甲")
	a := b.submitted(p, facts(codeA))
	b.must(b.Service.Withdraw(ctx, p.Account, a.ID))
	a = b.state(p, a.ID, enterprise.StateEnded)
	if a.LegalIDNumber != "" || len(a.Pictures) != 0 {
		t.Errorf("ended application %+v", a)
	}
}

// Whoever does not come back leaves no picture of an ID card behind.
func TestWhatNobodyGoesOnWithEndsAfterNinetyDays(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		const day = 24 * time.Hour
		ctx, p, q, r := t.Context(), b.person(1, "测试甲"), b.person(2, "测试乙"), b.person(3, "测试丙")
		b.must(b.Service.Start(ctx))
		left, kept, waits := b.applied(p, facts(codeA)), b.applied(q, facts(codeA)), b.submitted(r, facts(codeA))
		b.clock.Advance(60 * day)
		_, err := b.PutPicture(ctx, q.Account, kept.ID, enterprise.PictureLicence, photo())
		b.must(err)
		b.must(b.jobs.Drain(ctx))
		b.state(p, left.ID, enterprise.StateChecked)
		b.clock.Advance(31 * day)
		b.must(b.jobs.Drain(ctx))
		if a := b.state(p, left.ID, enterprise.StateEnded); a.LegalIDNumber != "" || len(a.Pictures) != 0 {
			t.Errorf("left for 91 days: %+v", a)
		}
		b.state(q, kept.ID, enterprise.StateChecked)
		b.state(r, waits.ID, enterprise.StateReviewing)
	})
}

func TestUploadsCountBeforeTheyAreDecoded(t *testing.T) {
	b := oneBureau(t)
	ctx, p := t.Context(), b.person(1, "测试甲")
	a, err := b.Apply(ctx, p.Caller, facts(codeA))
	b.must(err)
	for range verification.Pictures {
		_, err := b.PutPicture(ctx, p.Account, a.ID, enterprise.PictureLetter, []byte("\xff\xd8\xff no picture"))
		b.refused(err, picture.CodeBroken)
	}
	_, err = b.PutPicture(ctx, p.Account, a.ID, enterprise.PictureLetter, photo())
	b.refused(err, verification.CodePictures)
	b.clock.Advance(24 * time.Hour)
	_, err = b.PutPicture(ctx, p.Account, a.ID, enterprise.PictureLetter, photo())
	b.must(err)
}

func TestPicturesSentTogetherAreAllKept(t *testing.T) {
	b := oneBureau(t)
	p := b.person(1, "测试甲")
	a, err := b.Apply(t.Context(), p.Caller, facts(codeA))
	b.must(err)
	var all sync.WaitGroup
	for _, k := range []string{enterprise.PictureIDFront, enterprise.PictureIDBack, enterprise.PictureLicence, enterprise.PictureLetter} {
		all.Go(func() {
			if _, err := b.PutPicture(t.Context(), p.Account, a.ID, k, photo()); err != nil {
				t.Errorf("%s: %v", k, err)
			}
		})
	}
	all.Wait()
	if a = b.state(p, a.ID, enterprise.StateDraft); len(a.Pictures) != 4 {
		t.Errorf("kept are %v", a.Pictures)
	}
}

func TestPicturesAndNumbersAreSealed(t *testing.T) {
	b := oneBureau(t)
	p := b.person(1, "测试甲")
	a := b.submitted(p, facts(codeA))
	own, err := b.OwnPicture(t.Context(), p.Account, a.ID, enterprise.PictureLetter)
	if err != nil || !bytes.HasPrefix(own, []byte("\xff\xd8")) {
		t.Fatalf("own picture: %v", err)
	}
	b.do(func(ctx context.Context, tx work.Tx) error {
		var picture, number []byte
		if err := raw(tx).QueryRowContext(ctx, `SELECT picture FROM enterprise_pictures WHERE kind = 'letter'`).Scan(&picture); err != nil {
			return err
		}
		if err := raw(tx).QueryRowContext(ctx, `SELECT legal_id FROM enterprise_applications`).Scan(&number); err != nil {
			return err
		}
		if bytes.Contains(picture, own[:64]) || bytes.Contains(number, []byte(legalA)) {
			t.Error("a picture or a number stands open")
		}
		return nil
	})
}

func TestEnterprisesAreFoundByAPartOfTheNameOrTheCode(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		ctx, p, q := t.Context(), b.person(1, "测试甲"), b.person(2, "测试乙")
		a := b.applied(p, facts(codeA))
		a, err := b.Verify(ctx, p.Caller, a.ID, b.proof(p, legalPhone))
		b.must(err)
		for query, want := range map[string]int{"甲科技": 1, "有限": 1, codeA: 1, codeB: 0, "丙科技": 0, "试科": 0, "%_": 0, `\\`: 0} {
			got, err := b.Search(ctx, q.Account, query)
			if err != nil || len(got) != want {
				t.Errorf("%q found %v, %v", query, got, err)
			}
		}
		_, err = b.Search(ctx, q.Account, "甲")
		b.refused(err, verification.CodeQuery)
		got, err := b.Search(ctx, p.Account, codeA)
		if err != nil || got[0].Relation != "administrator" || got[0].Administrator != "测*甲" || got[0].ID != a.Enterprise {
			t.Errorf("found %+v, %v", got, err)
		}
		_, err = b.Ask(ctx, q.Caller, a.Enterprise, "测试甲", p.phone)
		b.must(err)
		if got, err = b.Search(ctx, q.Account, "测试甲科技"); err != nil || got[0].Relation != "requested" {
			t.Errorf("found %+v, %v", got, err)
		}
		_, err = b.View(ctx, q.Account, a.Enterprise)
		b.refused(err, enterprise.CodeLost)
		_, err = b.View(ctx, q.Account, "none")
		b.refused(err, enterprise.CodeLost)
	})
}

// Whatever comes together for one code leaves one enterprise with one administrator,
// and everybody else is told.
func TestManyApplicationsForOneCodeLeaveOneEnterprise(t *testing.T) {
	eachBureau(t, func(t *testing.T, b *bureau) {
		const n = 64
		ctx := t.Context()
		var all [n]someone
		var apps [n]enterprise.Application
		for i := range all {
			all[i] = b.person(i+1, "测试甲")
			a, err := b.Apply(ctx, all[i].Caller, facts(codeA))
			b.must(err)
			apps[i], err = b.Check(ctx, all[i].Account, a.ID)
			b.must(err)
		}
		// As if the pictures were there: 256 of them say nothing here.
		b.do(func(ctx context.Context, tx work.Tx) error {
			_, err := raw(tx).ExecContext(ctx, `INSERT INTO enterprise_pictures (application, kind, picture, at)
				SELECT id, k.column1, $1, 0 FROM enterprise_applications, (VALUES ('id-front'), ('id-back'), ('licence'), ('letter')) AS k`, []byte{})
			return err
		})
		var wg sync.WaitGroup
		errs := make([]error, n)
		for i := range all {
			wg.Go(func() {
				a, err := b.Submit(ctx, all[i].Account, apps[i].ID)
				if err == nil {
					err = b.approve(verification.Officer{ID: "o"}, a)
				}
				errs[i] = err
			})
		}
		wg.Wait()
		verified := 0
		for i := range all {
			a, err := b.Application(ctx, all[i].Account, apps[i].ID)
			b.must(err)
			switch {
			case a.State == enterprise.StateVerified && errs[i] == nil:
				verified++
			case a.State != enterprise.StateEnded || a.Reasons[0] != verification.ReasonTaken.Name:
				t.Errorf("application %d is %s with %v: %v", i, a.State, a.Reasons, errs[i])
			case errs[i] != nil && !errors.Is(errs[i], verification.CodeDecided) && !errors.Is(errs[i], verification.CodeApplicationOver):
				t.Errorf("application %d: %v", i, errs[i])
			}
		}
		var enterprises, members int
		b.do(func(ctx context.Context, tx work.Tx) error {
			if err := raw(tx).QueryRowContext(ctx, `SELECT COUNT(*) FROM enterprises`).Scan(&enterprises); err != nil {
				return err
			}
			return raw(tx).QueryRowContext(ctx, `SELECT COUNT(*) FROM enterprise_members`).Scan(&members)
		})
		if verified != 1 || enterprises != 1 || members != 1 {
			t.Errorf("%d verified, %d enterprises, %d members", verified, enterprises, members)
		}
	})
}

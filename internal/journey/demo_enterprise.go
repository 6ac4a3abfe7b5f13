package journey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"tianweitong/phone"
)

// houses is what the demo's second chapter hands on: the enterprises (企业), who
// belongs to them, and the officer who reviews.
type houses struct {
	company     *Enterprise // the demo's person administers it
	paper       *Enterprise // verified by documents
	colleague   *Person     // joins the company by application
	applicant   *Person     // of paper
	guest       *Person     // joins the company by invitation
	desk        *Desk
	application Application
	letter      []byte // PDF; empty where the house was built without a typeface
	stamped     []byte // the letter's picture as the officer sees it
}

// enterprises are the steps of the second chapter.
func (d *demo) enterprises() []stage {
	return []stage{
		{"企业实名：法定代表人手机号 (an enterprise, by the representative's phone)", d.byPhone},
		{"企业实名：法定代表人银行卡 (by his bank card)", d.byCard},
		{"企业实名：下载企业授权书 (by documents: the letter of authorisation)", d.letterOf},
		{"上传证件，提交人工审核 (upload, submit for review)", d.submit},
		{"鉴证员登录后台：密码与动态口令 (an officer signs in at the console)", d.officer},
		{"审核驳回：授权书没有盖章 (refused: no seal)", d.refuse},
		{"补正：只补传盖章的授权书 (corrected: nothing is typed again)", d.correct},
		{"审核通过 (approved)", d.approve},
		{"申请加入企业：拒绝并说明原因 (a request to join, refused with a reason)", d.turnDown},
		{"再次申请加入：同意 (asked again: accepted)", d.accept},
		{"邀请加入：短信链接，边注册边实名 (invited by the link in an SMS)", d.invite},
		{"身份切换：各看各的 (identities see their own)", d.identities},
		{"转让管理员：PIN 码 (the administrator changes, by PIN)", d.handByPIN},
		{"转让管理员：短信验证码 (and back, by SMS code)", d.handBySMS},
		{"移除成员：通知与短信 (a member is removed and told)", d.remove},
	}
}

// verifiedPerson makes up somebody, who registers and proves who he is.
func (d *demo) verifiedPerson(ctx context.Context, name, file string) (*Person, error) {
	p, err := d.somebody(name, file)
	if err != nil {
		return nil, err
	}
	if err := d.Register(ctx, p); err != nil {
		return nil, err
	}
	return p, d.Verify(ctx, p)
}

func (d *demo) somebody(name, file string) (*Person, error) {
	p, err := d.NewPerson(phone.File(filepath.Join(d.scratch, "phone-"+file+".json")))
	if err == nil {
		p.Name = name
	}
	return p, err
}

func (d *demo) byPhone(ctx context.Context) (string, error) {
	var err error
	if d.company, err = d.NewEnterprise(); err != nil {
		return "", err
	}
	if id, _, err := d.Found(ctx, d.person, d.company); err != nil || id != "" {
		return "", fmt.Errorf("before its verification the search finds %q, %v", id, err)
	}
	return d.company.Name, d.ByPhone(ctx, d.person, d.company)
}

// byCard: the colleague verifies an enterprise of his own; another application for
// its code is refused.
func (d *demo) byCard(ctx context.Context) (string, error) {
	var err error
	if d.colleague, err = d.verifiedPerson(ctx, "测试子", "colleague"); err != nil {
		return "", err
	}
	e, err := d.NewEnterprise()
	if err != nil {
		return "", err
	}
	if err := d.ByCard(ctx, d.colleague, e); err != nil {
		return "", err
	}
	_, err = d.Apply(ctx, d.person, e)
	return e.Name, mustRefuse("a second verification of one code", err, "enterprise_exists")
}

// letterOf downloads the letter and reads it as the representative would.
func (d *demo) letterOf(ctx context.Context) (string, error) {
	var err error
	if d.applicant, err = d.verifiedPerson(ctx, "测试丑", "applicant"); err != nil {
		return "", err
	}
	if d.paper, err = d.NewEnterprise(); err != nil {
		return "", err
	}
	if d.application, err = d.Apply(ctx, d.applicant, d.paper); err != nil {
		return "", err
	}
	d.letter, err = d.Letter(ctx, d.applicant, d.application)
	var p *phone.Problem
	if errors.As(err, &p) && p.Code == "letter_font_missing" {
		return p.Detail + " 服务器构建时没有字体，make build 会补上", nil
	}
	if err != nil {
		return "", err
	}
	text, err := letterText(d.letter)
	if err != nil {
		return "", err
	}
	for _, fact := range []string{d.application.Number, d.paper.Name, d.paper.Code, d.paper.Legal.Name, d.applicant.Name} {
		if !strings.Contains(text, fact) {
			return "", fmt.Errorf("the letter does not say %s", fact)
		}
	}
	if strings.Contains(text, d.applicant.IDNumber) {
		return "", errors.New("the letter shows a whole ID number")
	}
	return fmt.Sprintf("PDF %d KB，受理单号 %s", len(d.letter)>>10, d.application.Number), nil
}

// submit forgets the seal on the letter.
func (d *demo) submit(ctx context.Context) (string, error) {
	a, err := d.Upload(ctx, d.applicant, d.application, "licence", d.paper, true)
	if err != nil {
		return "", err
	}
	_, err = d.Submit(ctx, d.applicant, a)
	if err := mustRefuse("submitting without a letter", err, "enterprise_pictures_missing"); err != nil {
		return "", err
	}
	if a, err = d.Upload(ctx, d.applicant, a, "letter", d.paper, false); err != nil {
		return "", err
	}
	if d.application, err = d.Submit(ctx, d.applicant, a); err != nil {
		return "", err
	}
	if d.application.State != "reviewing" || d.application.LeftWorkingSeconds <= 0 {
		return "", fmt.Errorf("submitted, the application is %s with %d s of working time left", d.application.State, d.application.LeftWorkingSeconds)
	}
	return fmt.Sprintf("剩余工作时间 %.1f 小时", float64(d.application.LeftWorkingSeconds)/3600), nil
}

// officer is dealt by the sandbox and enrols; then he signs in as on any other day.
func (d *demo) officer(ctx context.Context) (string, error) {
	n, err := digits(8)
	if err != nil {
		return "", err
	}
	if d.desk, err = d.NewDesk(ctx, "199"+n); err != nil {
		return "", err
	}
	return "只有密码时看不到审核队列", d.desk.SignIn(ctx)
}

// examine takes the application before the officer, who looks at the letter: does it
// bear a seal?
func (d *demo) examine(ctx context.Context) (r Review, sealed bool, err error) {
	if r, err = d.desk.Claim(ctx, d.application.ID); err != nil {
		return r, false, err
	}
	for _, f := range r.Facts {
		if !f.Match {
			return r, false, fmt.Errorf("the register differs in %s", f.Item)
		}
	}
	if d.stamped, err = d.desk.Picture(ctx, r.ID, "letter"); err != nil {
		return r, false, err
	}
	sealed, err = stamped(d.stamped)
	return r, sealed, err
}

func (d *demo) refuse(ctx context.Context) (string, error) {
	r, sealed, err := d.examine(ctx)
	if err != nil {
		return "", err
	}
	if sealed {
		return "", errors.New("the officer sees a seal that nobody put there")
	}
	if err := d.desk.Refuse(ctx, r, "请加盖单位公章", "letter_no_seal"); err != nil {
		return "", err
	}
	if d.application, err = d.Application(ctx, d.applicant, r.ID); err != nil {
		return "", err
	}
	if d.application.State != "refused" || len(d.application.Reasons) != 1 || d.application.Reasons[0].Code != "letter_no_seal" || d.application.Note == "" {
		return "", fmt.Errorf("refused, the applicant sees %s %v %q", d.application.State, d.application.Reasons, d.application.Note)
	}
	told, err := d.Noticed(ctx, d.applicant, "enterprise.refused")
	if err != nil {
		return "", err
	}
	return d.application.Reasons[0].Text, d.Texted(ctx, d.applicant.Number, told.Title)
}

func (d *demo) correct(ctx context.Context) (string, error) {
	a, err := d.Upload(ctx, d.applicant, d.application, "letter", d.paper, true)
	if err != nil {
		return "", err
	}
	if d.application, err = d.Submit(ctx, d.applicant, a); err == nil && d.application.State != "reviewing" {
		err = fmt.Errorf("corrected, the application is %s", d.application.State)
	}
	return "", err
}

// approve ticks the whole checklist; a line less is refused.
func (d *demo) approve(ctx context.Context) (string, error) {
	r, sealed, err := d.examine(ctx)
	if err != nil {
		return "", err
	}
	if !sealed {
		return "", errors.New("the officer does not see the seal")
	}
	var checks []string
	for _, c := range r.Checklist {
		checks = append(checks, c.Code)
	}
	if len(checks) == 0 {
		return "", errors.New("the officer has no checklist")
	}
	if err := mustRefuse("approving with a line unticked", d.desk.Approve(ctx, r, checks[1:]), "review_checklist"); err != nil {
		return "", err
	}
	if err := d.desk.Approve(ctx, r, checks); err != nil {
		return "", err
	}
	if d.application, err = d.Application(ctx, d.applicant, r.ID); err != nil {
		return "", err
	}
	return d.paper.Name, d.verified(ctx, d.applicant, d.application, d.paper)
}

// turnDown: who asks has to know the administrator; a refusal tells why.
func (d *demo) turnDown(ctx context.Context) (string, error) {
	err := d.AskToJoin(ctx, d.colleague, d.company.ID, "测试无此人", d.person.Number)
	if err := mustRefuse("asking with a wrong administrator", err, "administrator_mismatch"); err != nil {
		return "", err
	}
	if err := d.AskToJoin(ctx, d.colleague, d.company.ID, d.person.Name, d.person.Number); err != nil {
		return "", err
	}
	const reason = "请先联系人事部门登记"
	if err := d.Decide(ctx, d.person, d.company.ID, reason); err != nil {
		return "", err
	}
	told, err := d.Noticed(ctx, d.colleague, "enterprise.join_refused")
	if err == nil && !strings.Contains(told.Body, reason) {
		err = fmt.Errorf("the notice does not give the reason: %s", told.Body)
	}
	return reason, err
}

func (d *demo) accept(ctx context.Context) (string, error) {
	if err := d.AskToJoin(ctx, d.colleague, d.company.ID, d.person.Name, d.person.Number); err != nil {
		return "", err
	}
	if err := d.Decide(ctx, d.person, d.company.ID, ""); err != nil {
		return "", err
	}
	if _, err := d.Noticed(ctx, d.colleague, "enterprise.join_accepted"); err != nil {
		return "", err
	}
	return "", d.roles(ctx, d.person, d.colleague)
}

// roles holds the company to one administrator, who sees the others as members.
func (d *demo) roles(ctx context.Context, administrator *Person, others ...*Person) error {
	all, err := d.Members(ctx, administrator, d.company.ID)
	if err != nil {
		return err
	}
	if len(all) != 1+len(others) {
		return fmt.Errorf("the company has %d members, want %d", len(all), 1+len(others))
	}
	for _, m := range all {
		if m.Self != (m.Role == "administrator") {
			return fmt.Errorf("%s is %s", m.Name, m.Role)
		}
	}
	for _, o := range others {
		_, err := d.Members(ctx, o, d.company.ID)
		if err := mustRefuse("a member who lists members", err, "not_administrator"); err != nil {
			return err
		}
	}
	return nil
}

// invite: the link shows the enterprise to whoever has it and lets in the invited
// alone.
func (d *demo) invite(ctx context.Context) (string, error) {
	var err error
	if d.guest, err = d.somebody("测试寅", "guest"); err != nil {
		return "", err
	}
	link, err := d.Invite(ctx, d.person, d.guest, d.company.ID)
	if err != nil {
		return "", err
	}
	seen, err := d.Look(ctx, d.guest, link)
	if err != nil {
		return "", err
	}
	if seen.EnterpriseName != d.company.Name || seen.State != "open" {
		return "", fmt.Errorf("the link shows %+v", seen)
	}
	path := "/invitations/" + seen.ID + "/accept"
	if err := mustRefuse("somebody else who accepts", d.applicant.Ask(ctx, http.MethodPost, path, struct{}{}, nil), "invitation_unknown"); err != nil {
		return "", err
	}
	if err := d.Register(ctx, d.guest); err != nil {
		return "", err
	}
	if err := d.Verify(ctx, d.guest); err != nil {
		return "", err
	}
	if err := d.guest.Ask(ctx, http.MethodPost, path, struct{}{}, nil); err != nil {
		return "", err
	}
	return "", d.roles(ctx, d.person, d.colleague, d.guest)
}

// identities: the colleague acts as himself and as two enterprises; who belongs to
// none of them is refused.
func (d *demo) identities(ctx context.Context) (string, error) {
	who, err := d.Identities(ctx, d.colleague)
	if err != nil {
		return "", err
	}
	roles := map[string]string{}
	shown := []string{d.colleague.Name + "（个人）"}
	words := map[string]string{"administrator": "管理员", "member": "成员"}
	for _, i := range who {
		roles[i.ID] = i.Role
		shown = append(shown, i.Name+"（"+words[i.Role]+"）")
	}
	if len(who) != 2 || roles[d.company.ID] != "member" {
		return "", fmt.Errorf("the colleague can act as %+v", who)
	}
	var list struct {
		Certificates []struct{} `json:"certificates"`
	}
	for _, as := range []struct {
		who  *Person
		as   string
		want int
	}{{d.person, "", 1}, {d.person, "?as=" + d.company.ID, 0}, {d.colleague, "?as=" + d.company.ID, 0}} {
		if err := as.who.Ask(ctx, http.MethodGet, "/certificates"+as.as, nil, &list); err != nil {
			return "", err
		}
		if len(list.Certificates) != as.want {
			return "", fmt.Errorf("%s%s sees %d certificates, want %d", as.who.Name, as.as, len(list.Certificates), as.want)
		}
	}
	err = d.applicant.Ask(ctx, http.MethodGet, "/certificates?as="+d.company.ID, nil, nil)
	return strings.Join(shown, "、"), mustRefuse("a stranger under the company's identity", err, "identity_lost")
}

// membership finds the other member of a name.
func (d *demo) membership(ctx context.Context, administrator *Person, name string) (string, error) {
	all, err := d.Members(ctx, administrator, d.company.ID)
	if err != nil {
		return "", err
	}
	for _, m := range all {
		if m.Name == name && !m.Self {
			return m.ID, nil
		}
	}
	return "", fmt.Errorf("%s is no member", name)
}

func (d *demo) handByPIN(ctx context.Context) (string, error) {
	to, err := d.membership(ctx, d.person, d.colleague.Name)
	if err != nil {
		return "", err
	}
	if err := mustRefuse("a transfer with a wrong PIN", d.person.Phone.Transfer(ctx, d.company.ID, to, "918273"), "pin_wrong"); err != nil {
		return "", err
	}
	if err := d.person.Phone.Transfer(ctx, d.company.ID, to, d.person.PIN); err != nil {
		return "", err
	}
	return d.person.Name + " → " + d.colleague.Name, d.handed(ctx, d.person, d.colleague)
}

func (d *demo) handBySMS(ctx context.Context) (string, error) {
	to, err := d.membership(ctx, d.colleague, d.person.Name)
	if err != nil {
		return "", err
	}
	if err := d.Transfer(ctx, d.colleague, d.company.ID, to); err != nil {
		return "", err
	}
	return d.colleague.Name + " → " + d.person.Name, d.handed(ctx, d.colleague, d.person)
}

// handed: there is one administrator, the new one, and both were told by SMS.
func (d *demo) handed(ctx context.Context, from, to *Person) error {
	if err := d.roles(ctx, to, from, d.guest); err != nil {
		return err
	}
	for _, told := range []struct {
		who  *Person
		kind string
	}{{from, "account.enterprise_transferred"}, {to, "enterprise.administrator"}} {
		n, err := d.Noticed(ctx, told.who, told.kind)
		if err != nil {
			return err
		}
		if err := d.Texted(ctx, told.who.Number, n.Title); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) remove(ctx context.Context) (string, error) {
	member, err := d.membership(ctx, d.person, d.guest.Name)
	if err != nil {
		return "", err
	}
	const reason = "项目结束，已离职"
	if err := d.person.Ask(ctx, http.MethodDelete, "/enterprises/"+d.company.ID+"/members/"+member, map[string]string{"reason": reason}, nil); err != nil {
		return "", err
	}
	told, err := d.Noticed(ctx, d.guest, "enterprise.removed")
	if err != nil {
		return "", err
	}
	if !strings.Contains(told.Body, reason) {
		return "", fmt.Errorf("the notice does not give the reason: %s", told.Body)
	}
	if err := d.Texted(ctx, d.guest.Number, told.Title); err != nil {
		return "", err
	}
	err = d.guest.Ask(ctx, http.MethodGet, "/certificates?as="+d.company.ID, nil, nil)
	if err := mustRefuse("the removed under the company's identity", err, "identity_lost"); err != nil {
		return "", err
	}
	return told.Title, d.roles(ctx, d.person, d.colleague)
}

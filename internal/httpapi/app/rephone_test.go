package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

func TestACodeCostsACaptchaOverHTTP(t *testing.T) {
	h := open(t)
	h.deps.Accounts.Limits.Free, h.deps.Accounts.Puzzles = 1, h.deps.Puzzles
	d := h.device()
	in := object{"phone": "13900000001", "purpose": "login"}
	var sent app.TicketBody
	d.call(http.MethodPost, "/codes", in).into(&sent)
	h.clock.Advance(time.Minute)
	d.call(http.MethodPost, "/codes", in).refused(409, "captcha_required")
	var c app.CaptchaBody
	solve := func() int {
		d.call(http.MethodPost, "/captcha", nil).into(&c)
		x, ok := h.deps.Puzzles.Solution(c.ID)
		if !ok || len(c.Background) == 0 || len(c.Tile) == 0 || c.Width == 0 || c.TileWidth == 0 {
			t.Fatalf("captcha = %s", c.ID)
		}
		return x
	}
	in["captcha"] = object{"id": "made up", "x": solve()}
	d.call(http.MethodPost, "/codes", in).refused(422, "captcha_wrong")
	in["captcha"] = object{"id": c.ID, "x": solve() - 30}
	d.call(http.MethodPost, "/codes", in).refused(422, "captcha_wrong")
	x := solve()
	in["captcha"] = object{"id": c.ID, "x": x}
	d.call(http.MethodPost, "/codes", in).into(&sent)
	h.clock.Advance(time.Minute)
	d.call(http.MethodPost, "/codes", in).refused(422, "captcha_wrong")
	in["device"] = "not a thumbprint"
	d.call(http.MethodPost, "/codes", in).refused(422, "request_malformed")
}

func TestANumberOutOfReachIsReplacedByAFaceOverHTTP(t *testing.T) {
	h := open(t)
	d := h.device()
	d.signIn("13900000001")
	ticket, code := d.code("13900000001", "realname")
	var check app.CheckBody
	d.call(http.MethodPost, "/realname", object{"name": "测试甲", "idNumber": "11010519491231002X", "ticket": ticket, "code": code, "method": "phone", "consentFace": true}).into(&check)
	d.call(http.MethodPut, "/realname/"+check.ID+"/face", mp4).into(&check)

	in := object{"newPhone": "13900000002"}
	in["newTicket"], in["newCode"] = d.code("13900000002", "phone-new")
	var face app.FaceBody
	d.call(http.MethodPost, "/phone/face", in).into(&face)
	if face.Check.State != "face" {
		t.Fatalf("face = %+v", face)
	}
	d.call(http.MethodPut, "/phone/face/"+face.ID+"/face?source=upload", mp4).refused(403, "face_upload_refused")
	d.call(http.MethodPut, "/phone/face/"+face.ID+"/face", mp4).into(&face)
	var me app.Me
	d.call(http.MethodGet, "/me", nil).into(&me)
	if face.Check.State != "passed" || me.PhoneMasked != "139****0002" || me.Unread != 1 {
		t.Fatalf("face = %+v, me = %+v", face, me)
	}
	other := h.device()
	other.signIn("13900000003")
	other.call(http.MethodGet, "/phone/face/"+face.ID, nil).refused(404, "phone_change_unknown")
}

func TestFormerNamesAreTheirOwnersToSee(t *testing.T) {
	h := open(t)
	d := h.device()
	d.signIn("13900000001")
	var names app.NamesBody
	d.call(http.MethodGet, "/me/names", nil).into(&names)
	if len(names.Names) != 0 {
		t.Fatalf("names = %+v", names)
	}
	for _, name := range []string{"测试甲", "测试乙"} {
		ticket, code := d.code("13900000001", "realname")
		var check app.CheckBody
		d.call(http.MethodPost, "/realname", object{"name": name, "idNumber": "11010519491231002X", "ticket": ticket, "code": code, "method": "phone", "consentFace": true}).into(&check)
		d.call(http.MethodPut, "/realname/"+check.ID+"/face", mp4).into(&check)
		if check.State != "passed" {
			t.Fatalf("check = %+v", check)
		}
	}
	d.call(http.MethodGet, "/me/names", nil).into(&names)
	if len(names.Names) != 2 || names.Names[0].Name != "测试乙" || names.Names[0].Until != nil || names.Names[1].Name != "测试甲" || !names.Names[1].Until.Equal(names.Names[0].From) {
		t.Fatalf("names = %+v", names)
	}
}

func TestNoticesAreFilteredAndSwitchedOverHTTP(t *testing.T) {
	h := open(t)
	d := h.device()
	s := d.signIn("13900000001")
	h.do(func(ctx context.Context, tx work.Tx) error {
		for _, kind := range []string{"order.paid", "pin.set"} {
			if err := h.deps.Notices.Post(ctx, tx, notice.Notice{Account: s.Account, Kind: kind, Title: "标题"}); err != nil {
				return err
			}
		}
		return nil
	})
	var page app.NoticesBody
	d.call(http.MethodGet, "/notices?group=order&unread=true", nil).into(&page)
	if len(page.Notices) != 1 || page.Notices[0].Group != "order" || page.Unread != 2 || len(page.Groups) != 5 {
		t.Fatalf("page = %+v", page)
	}
	d.call(http.MethodPost, "/notices/read?group=order", nil)
	d.call(http.MethodGet, "/notices?unread=true", nil).into(&page)
	if len(page.Notices) != 1 || page.Notices[0].Kind != "pin.set" {
		t.Fatalf("page = %+v", page)
	}
	d.call(http.MethodGet, "/notices?group=weather", nil).refused(422, "request_malformed")

	var set app.NoticeSettingsBody
	off := func(group string) answer {
		return d.call(http.MethodPut, "/notices/settings", object{"groups": []object{{"group": group, "sms": false}}})
	}
	off("order").into(&set)
	off("account").refused(409, "notice_group_fixed")
	d.call(http.MethodGet, "/notices/settings", nil).into(&set)
	for _, g := range set.Groups {
		if g.SMS == (g.Group == "order") || g.Fixed != (g.Group == "account") {
			t.Errorf("settings = %+v", g)
		}
	}
}

package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// purposes name what a code of a template "code.<purpose>" is for.
var purposes = map[string]string{
	"login": "登录或注册", "realname": "实名认证", "pin": "设置证书 PIN 码", "recover": "补办恢复",
	"phone": "更换手机号", "phone-new": "绑定新手机号", "password": "设置登录密码",
	"password-reset": "重置登录密码", "close": "注销账号",
	"legal": "企业实名（法定代表人确认）", "transfer": "转让企业管理员",
}

// body writes what the phone would show: outside the sandbox the provider holds
// these texts, reviewed and under its own names.
func body(template string, p map[string]string) string {
	const from = "【天威通】"
	if purpose, ok := strings.CutPrefix(template, "code."); ok {
		what := purposes[purpose]
		if what == "" {
			what = "身份验证"
		}
		return from + "验证码 " + p["code"] + "，用于" + what + "，" + p["minutes"] + " 分钟内有效。请勿告诉他人。"
	}
	switch template {
	case "notice":
		return from + p["title"] + "。详情请打开天威通查看。"
	case "account.closed":
		return from + "您的账号已按您的申请注销，感谢使用；该手机号可重新注册。如非本人操作，请立即联系客服。"
	case "device.signed-in":
		return from + "您的账号刚刚用密码在一台新设备上登录。如非本人操作，请立即重置登录密码，或联系客服。"
	case "enterprise.invitation":
		return from + "“" + p["enterprise"] + "”邀请您加入企业，请在 " + p["days"] + " 天内打开链接办理：" + p["link"] + "。如与您无关，请忽略本短信。"
	case "phone.changed":
		return from + "您的登录手机号已更换为 " + p["phone"] + "。如非本人操作，请立即联系客服。"
	}
	var b strings.Builder
	b.WriteString(from + template)
	for _, k := range slices.Sorted(maps.Keys(p)) {
		b.WriteString("，" + k + "：" + p[k])
	}
	return b.String()
}

package verification

import (
	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
	"tianweitong/internal/realname"
)

// The refusals of requests.
var (
	// CodeExists carries "enterprise": the code is verified; one can ask to join.
	CodeExists = fault.Code{Name: "enterprise_exists", Kind: fault.Conflict,
		Text: "该企业已在平台完成实名，请申请加入，或联系管理员邀请您。"}
	// CodeOpen carries "application".
	CodeOpen = fault.Code{Name: "enterprise_application_open", Kind: fault.Conflict,
		Text: "您已有一份该企业的申请正在办理，请继续办理，或撤回后重新提交。"}
	CodeTooManyOpen = fault.Code{Name: "enterprise_applications_many", Kind: fault.TooMany,
		Text: "您有多份企业申请尚未办完，请先完成或撤回其中一份。"}
	CodeApplicationUnknown = fault.Code{Name: "enterprise_application_unknown", Kind: fault.NotFound,
		Text: "没有找到这份申请，请返回重新查看。"}
	CodeApplicationOver = fault.Code{Name: "enterprise_application_over", Kind: fault.Gone,
		Text: "这份申请已办结或已撤回，如需办理请重新提交。"}
	CodeApplicationBusy = fault.Code{Name: "enterprise_application_busy", Kind: fault.Conflict,
		Text: "这份申请正在核验或审核中，请等待结果；如需更正，请先撤回。"}
	CodeStep = fault.Code{Name: "enterprise_step_wrong", Kind: fault.Conflict,
		Text: "当前步骤不能这样办理，请刷新申请后按提示继续。"}
	CodeSame = fault.Code{Name: "enterprise_facts_same", Kind: fault.Conflict,
		Text: "填写的信息与当前登记的一致，无需变更。"}
	CodeOtherCode = fault.Code{Name: "enterprise_code_differs", Kind: fault.Conflict,
		Text: "信息变更时统一社会信用代码不能改动；如代码不同，请作为新企业办理。"}
	// CodeMissing carries "missing", kinds of pictures.
	CodeMissing = fault.Code{Name: "enterprise_pictures_missing", Kind: fault.Conflict,
		Text: "还有图片没有上传，请补全后再提交。"}
	CodePictureUnknown = fault.Code{Name: "enterprise_picture_unknown", Kind: fault.NotFound,
		Text: "没有找到这张图片，请重新上传。"}
	CodeQuery = fault.Code{Name: "enterprise_query_short", Kind: fault.Invalid,
		Text: "请输入企业名称中的至少 2 个字，或完整的统一社会信用代码。"}
	CodeSearches = fault.Code{Name: "enterprise_searches_many", Kind: fault.TooMany,
		Text: "今日查找企业的次数已用完，请明天再试。"}
	CodeChecks = fault.Code{Name: "enterprise_checks_many", Kind: fault.TooMany,
		Text: "今日核验次数已用完，请明天再试，或联系客服。"}
	CodePictures = fault.Code{Name: "enterprise_pictures_many", Kind: fault.TooMany,
		Text: "今日上传图片的次数已用完，请明天再试，或联系客服。"}
)

// The reasons why an application was given back or ended.
var (
	ReasonPhone = fault.Code{Name: "legal_phone_mismatch", Kind: fault.Conflict,
		Text: "手机号与法定代表人的姓名、证件号未能匹配，请使用法定代表人本人实名的手机号，或换一种验证方式。"}
	ReasonCard = fault.Code{Name: "legal_card_mismatch", Kind: fault.Conflict,
		Text: "银行卡与法定代表人的姓名、证件号未能匹配，请使用法定代表人本人名下的银行卡，或换一种验证方式。"}
	ReasonCardPhone = fault.Code{Name: "legal_card_phone_mismatch", Kind: fault.Conflict,
		Text: "手机号不是该银行卡的预留手机号，请核对后重试，或换一种验证方式。"}
	ReasonCardUnusable = fault.Code{Name: "legal_card_unusable", Kind: fault.Conflict,
		Text: "该银行卡暂不支持认证或状态异常，请换一张法定代表人的银行卡，或换一种验证方式。"}
	ReasonAway = fault.Code{Name: "registry_unavailable", Kind: fault.Unavailable,
		Text: "核验服务暂时没有应答，本次不计入次数，请稍后重试。"}
	ReasonTaken = fault.Code{Name: "enterprise_taken", Kind: fault.Conflict,
		Text: "该企业已由其他用户完成实名，您可以申请加入该企业。"}
	ReasonNotAdministrator = fault.Code{Name: "enterprise_not_administrator", Kind: fault.Conflict,
		Text: "您已不是该企业的管理员，本次变更已结束。"}
)

// refusals are what an officer chooses of (驳回原因).
var refusals = []fault.Code{
	{Name: "letter_no_seal", Kind: fault.Conflict, Text: "企业授权书没有加盖公章，请盖章后重新上传。"},
	{Name: "letter_seal_differs", Kind: fault.Conflict, Text: "授权书上的印文与企业名称不一致，请加盖本企业公章后重新上传。"},
	{Name: "letter_facts_differ", Kind: fault.Conflict, Text: "授权书的内容与申请信息不一致，请重新下载、盖章后上传。"},
	{Name: "licence_unreadable", Kind: fault.Conflict, Text: "营业执照不清晰，请在光线充足处重新拍摄后上传。"},
	{Name: "licence_differs", Kind: fault.Conflict, Text: "营业执照与填写的企业信息不一致，请核对后更正。"},
	{Name: "id_unreadable", Kind: fault.Conflict, Text: "法定代表人身份证不清晰，请重新拍摄后上传。"},
	{Name: "id_differs", Kind: fault.Conflict, Text: "身份证与法定代表人的姓名或证件号不一致，请核对后更正。"},
	{Name: "id_expired", Kind: fault.Conflict, Text: "法定代表人身份证已过有效期，请上传有效的身份证。"},
	{Name: "other", Kind: fault.Conflict, Text: "资料未通过审核，请按鉴证人员的说明补充。"},
}

// ReasonsOf finds reasons by their stable names; unknown ones are left out.
func ReasonsOf(names []string) []fault.Code {
	all := append([]fault.Code{ReasonCode, ReasonName, ReasonLegal, ReasonStatus, ReasonPhone, ReasonCard, ReasonCardPhone,
		ReasonCardUnusable, ReasonAway, ReasonTaken, ReasonNotAdministrator}, refusals...)
	var out []fault.Code
	for _, n := range names {
		for _, r := range all {
			if r.Name == n {
				out = append(out, r)
			}
		}
	}
	return out
}

// legalReason turns a checker's reason about a person into one about the
// representative; a checker invents no sentences.
func legalReason(m enterprise.Method, r fault.Code) string {
	switch {
	case m == enterprise.MethodPhone:
		return ReasonPhone.Name
	case r.Name == realname.ReasonCardPhone.Name:
		return ReasonCardPhone.Name
	case r.Name == realname.ReasonCardUnusable.Name:
		return ReasonCardUnusable.Name
	}
	return ReasonCard.Name
}

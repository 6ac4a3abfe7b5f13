package verification

import (
	"context"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
)

// RegistryQuery asks the register (登记机关) whether four elements belong together.
type RegistryQuery struct{ Ref, Name, Code, LegalName, LegalIDNumber string }

// RegistryAnswer is its answer. Reason, if it did not pass, is ReasonCode,
// ReasonName, ReasonLegal or ReasonStatus.
type RegistryAnswer struct {
	Passed bool
	Reason fault.Code
	Record enterprise.Record
}

// Registry is the outside service. Calls are repeatable by their reference, as
// realname.Checker's are.
type Registry interface {
	EnterpriseFactors(ctx context.Context, q RegistryQuery) (RegistryAnswer, error)
}

// The register's reasons.
var (
	ReasonCode = fault.Code{Name: "registry_code", Kind: fault.Conflict,
		Text: "登记机关没有这个统一社会信用代码，请核对营业执照后更正。"}
	ReasonName = fault.Code{Name: "registry_name", Kind: fault.Conflict,
		Text: "企业名称与登记信息不一致，请按营业执照填写全称。"}
	// ReasonLegal leaves the documents: a register may be some days behind.
	ReasonLegal = fault.Code{Name: "registry_legal", Kind: fault.Conflict,
		Text: "法定代表人与登记信息不一致，请核对姓名和证件号；如刚刚变更，可选择单位证件认证，由人工审核。"}
	ReasonStatus = fault.Code{Name: "registry_status", Kind: fault.Conflict,
		Text: "该企业的登记状态不是存续（在营、开业、在册），暂不能办理；如有疑问请联系客服。"}
)

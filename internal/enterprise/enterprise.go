// Package enterprise knows which enterprises (企业) stand behind which accounts: who
// belongs to one and who administers it (docs/members.md; M§2.4.3–2.4.5). How an
// enterprise comes to be verified is package verification's part (docs/enterprises.md);
// the two share the types of this file.
package enterprise

import "time"

// Enterprise is a verified enterprise (企业). Only verified ones exist; what is not
// yet verified is an Application.
type Enterprise struct {
	ID string
	// Name is public record.
	Name string
	// Code is the unified social credit code (统一社会信用代码).
	Code string
	// LegalName and LegalIDNumber are the legal representative's (法定代表人),
	// sealed in the store; LegalIDHash is keyed.
	LegalName, LegalIDNumber string
	LegalIDHash              []byte
	// Administrator is an account: one column, so there is exactly one at every
	// instant (docs/domain.md §5.1).
	Administrator         string
	Method                Method
	VerifiedAt, CreatedAt time.Time
	// Facts is the version of the facts: 1, 2 …
	Facts   int64
	Version int64
}

// Role is what somebody is in an enterprise.
type Role string

// The roles.
const (
	RoleAdministrator Role = "administrator" // 管理员
	RoleMember        Role = "member"        // 成员
)

// Member is somebody who belongs to an enterprise, or did until LeftAt.
type Member struct {
	ID, Enterprise, Account string
	JoinedAt                time.Time
	// Via is how he came: created, applied or invited.
	Via string
	// LeftAt is zero while he belongs to it; LeftBy is the account that ended it.
	LeftAt time.Time
	LeftBy string
}

// How a member came to an enterprise.
const (
	ViaCreated = "created"
	ViaApplied = "applied"
	ViaInvited = "invited"
)

// Method is how an enterprise was verified (M§2.4.2, step 3).
type Method string

// The methods.
const (
	MethodPhone     Method = "phone"     // 法定代表人手机号认证
	MethodBank      Method = "bank"      // 法定代表人银行卡认证
	MethodDocuments Method = "documents" // 单位证件认证: an officer reviews
)

// Kind is what an application is for.
type Kind string

// The kinds.
const (
	KindCreate Kind = "create" // 新建企业
	KindChange Kind = "change" // 信息变更: another name or representative
)

// State is where an application stands.
type State string

// The states (docs/domain.md §3.7). draft → checked → verifying → verified, or
// checked again with a reason; checked → reviewing → verified or refused; refused
// → reviewing again.
const (
	StateDraft     State = "draft"     // 待核验: being filled in
	StateChecked   State = "checked"   // 四要素一致: a way to verify is wanted
	StateVerifying State = "verifying" // 核验中: phone or card is being checked
	StateReviewing State = "reviewing" // 人工审核中
	StateRefused   State = "refused"   // 已驳回: may be corrected
	StateVerified  State = "verified"  // 已实名
	StateEnded     State = "ended"     // withdrawn, or the code is somebody else's
)

// Over tells whether no step follows.
func (s State) Over() bool { return s == StateVerified || s == StateEnded }

// Record is what the register (登记机关) holds on an enterprise.
type Record struct {
	Name string `json:"name"`
	Code string `json:"code"`
	// LegalName is masked by the provider.
	LegalName string `json:"legalName"`
	// Status is the register's word, such as 存续.
	Status string `json:"status"`
	// AsOf is the day of the register's data, YYYY-MM-DD.
	AsOf string `json:"asOf"`
	// Differs is DiffersLegal if the representative is another one there.
	Differs string `json:"differs,omitempty"`
}

// DiffersLegal: the register names another representative.
const DiffersLegal = "legal"

// Application is an enterprise that is being verified, or a change of a verified
// one's facts.
type Application struct {
	ID string
	// Number is what people call it, such as RV-261123-0019.
	Number  string
	Account string
	Kind    Kind
	// Enterprise is the one whose facts change, or that came of it.
	Enterprise               string
	Name, Code               string
	LegalName, LegalIDNumber string // sealed
	State                    State
	Method                   Method
	// Reasons are the stable names of the last refusal; Note is the officer's.
	Reasons []string
	Note    string
	Record  Record
	// Calls counts the calls to the outside; Ref is the one whose answer is
	// outstanding, empty for none. Phone and Card are what it checks, sealed, erased
	// when it is answered.
	Calls       int
	Ref         string
	Phone, Card string
	// SubmittedAt and DueAt are of the last submission to review.
	SubmittedAt, DueAt time.Time
	// Claimed is the officer who has it before him until ClaimedUntil.
	Claimed      string
	ClaimedUntil time.Time
	// Escalated is the officer who asked for a second opinion; another decides.
	Escalated            string
	DecidedBy            string
	DecidedAt, CreatedAt time.Time
	Version              int64
	// Pictures are the kinds that are stored, and Remaining the checks of facts
	// that the account has left today; set by Service.
	Pictures  []string
	Remaining int
}

// The kinds of pictures.
const (
	PictureIDFront = "id-front" // 法定代表人身份证人像面
	PictureIDBack  = "id-back"  // 国徽面
	PictureLicence = "licence"  // 营业执照
	PictureLetter  = "letter"   // 盖章的企业授权书
)

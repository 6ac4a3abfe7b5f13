// Package realname establishes which person stands behind an account (个人实名,
// M§2.4.1): the phone's three factors or the bank card's four, then a live face,
// both answered by an outside checker.
//
// A check is a row that moves by recorded steps. Each call to the checker has a
// reference that is recorded before it is made, and a checker answers a repeated
// reference without a new check, so a time-out or a crash is taken up by a job and
// never charged twice. The face video is handed on from the request to the checker
// and kept nowhere: if the checker never received it, the person records another.
// Name, ID number and card number stand sealed in the check while it runs and are
// erased from it when it ends; only a verified person keeps name and ID number, and
// of a card the last four digits and a keyed hash stay.
package realname

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/work"
)

// Purpose is what a check is for.
type Purpose string

// The purposes. Flows that need a live face name their own (StartFace).
const (
	// PurposePerson makes or renews the account's verified person.
	PurposePerson Purpose = "realname"
	// PurposeRecover goes before a re-key (docs/domain.md A11).
	PurposeRecover Purpose = "recover"
)

// Method is how the factors are asked for.
type Method string

// The methods (docs/domain.md A35). The face follows either.
const (
	// MethodPhone: name, ID number and phone (手机三要素).
	MethodPhone Method = "phone"
	// MethodBank: name, ID number, bank card and the phone that the bank has on
	// file, which must be the registered one (银行卡四要素).
	MethodBank Method = "bank"
)

// State is where a check stands.
type State string

// The states (docs/domain.md §3.7, Person). A check begins in StateFactors, or in
// StateFace if only a face is asked for.
const (
	StateFactors  State = "factors"  // 核验中: the checker compares name, ID number and phone
	StateFace     State = "face"     // 待录制: waiting for a video; Reason tells why an earlier one failed
	StateChecking State = "checking" // 核验中: the checker compares the face
	StatePassed   State = "passed"   // 认证成功
	StateRefused  State = "refused"  // 认证失败
	StateEnded    State = "ended"    // given up: too late, or begun again
)

// over tells whether no step follows.
func (s State) over() bool { return s == StatePassed || s == StateRefused || s == StateEnded }

const (
	// Daily is how many attempts an account has a day, by purpose; a day is the
	// calendar day in China (docs/domain.md §3.7).
	Daily = 5
	// Life is how long a check may take from its start.
	Life = 30 * time.Minute
	// Wait is how long a request waits for the checker before a job takes over.
	Wait = 20 * time.Second
	// MaxVideo is the largest face video in bytes; the edge enforces it too.
	MaxVideo = 20 << 20
)

// The refusals of requests.
var (
	CodeName = fault.Code{Name: "person_name_invalid", Kind: fault.Invalid,
		Text: "姓名格式不正确，请按身份证填写 2 至 30 个汉字，间隔号请用“·”。"}
	CodeIDNumber = fault.Code{Name: "id_number_invalid", Kind: fault.Invalid,
		Text: "身份证号不正确，请核对 18 位号码后重新输入；其他证件请联系客服办理。"}
	CodeMethod = fault.Code{Name: "realname_method_unknown", Kind: fault.Invalid,
		Text: "暂不支持该认证方式，请选择手机号认证或银行卡认证。"}
	CodeCard = fault.Code{Name: "bank_card_invalid", Kind: fault.Invalid,
		Text: "银行卡号不正确，请核对卡面上的 12 至 19 位数字后重新输入。"}
	CodeConsent = fault.Code{Name: "face_consent_required", Kind: fault.Invalid,
		Text: "请先阅读并同意人脸信息处理规则，再继续认证。"}
	CodeVideo = fault.Code{Name: "face_video_invalid", Kind: fault.Invalid,
		Text: "没有收到可用的视频，请重新录制。"}
	// CodeVideoType: neither MP4 nor WebM, or not what it says it is.
	CodeVideoType = fault.Code{Name: "face_video_type", Kind: fault.Invalid,
		Text: "视频格式不支持，请使用 MP4 或 WebM 格式的视频，或直接现场录制。"}
	// CodeUpload: only a live recording serves here (docs/domain.md A11).
	CodeUpload = fault.Code{Name: "face_upload_refused", Kind: fault.Forbidden,
		Text: "此处须本人现场录制人脸视频，不能上传文件，请允许使用摄像头后录制。"}
	// CodeTooMany: the day's attempts are used up.
	CodeTooMany = fault.Code{Name: "realname_too_many", Kind: fault.TooMany,
		Text: "今日认证次数已用完，请明天再试，或联系客服。"}
	CodeNotVerified = fault.Code{Name: "not_verified", Kind: fault.Conflict,
		Text: "您还没有完成实名认证，请先完成个人实名。"}
	CodeAlready = fault.Code{Name: "already_verified", Kind: fault.Conflict,
		Text: "您已完成实名认证，无需重复认证；如姓名有变更，请填写新的姓名。"}
	CodeOtherPerson = fault.Code{Name: "person_differs", Kind: fault.Conflict,
		Text: "证件号与本账号已认证的人员不一致，请使用本人的证件号。"}
	CodeUnknown = fault.Code{Name: "realname_unknown", Kind: fault.NotFound,
		Text: "没有找到这次认证，请重新开始。"}
	CodeOver = fault.Code{Name: "realname_over", Kind: fault.Gone,
		Text: "本次认证已结束或超时，请重新开始认证。"}
	CodeBusy = fault.Code{Name: "realname_busy", Kind: fault.Conflict,
		Text: "正在核验，请稍后查看结果，无需重复提交。"}
)

// The reasons why a check failed or a video must be recorded again.
var (
	ReasonFactors = fault.Code{Name: "factors_mismatch", Kind: fault.Conflict,
		Text: "姓名、证件号与手机号未能匹配，请核对后重新提交；手机号须由本人实名办理。"}
	ReasonCard = fault.Code{Name: "bank_card_mismatch", Kind: fault.Conflict,
		Text: "姓名、证件号与银行卡未能匹配，请使用本人名下的银行卡并核对卡号。"}
	ReasonCardPhone = fault.Code{Name: "bank_phone_mismatch", Kind: fault.Conflict,
		Text: "银行预留手机号与当前登录手机号不一致，请换用预留本手机号的银行卡，或改用手机号认证。"}
	ReasonCardUnusable = fault.Code{Name: "bank_card_unusable", Kind: fault.Conflict,
		Text: "该银行卡暂不支持认证或状态异常，请换一张本人的银行卡，或改用手机号认证。"}
	ReasonFace = fault.Code{Name: "face_mismatch", Kind: fault.Conflict,
		Text: "人脸与证件照片未能匹配，请由本人在光线充足处正对镜头重新录制。"}
	ReasonNotLive = fault.Code{Name: "face_not_live", Kind: fault.Conflict,
		Text: "未能确认为真人拍摄，请本人正对镜头、缓慢眨眼后重新录制。"}
	ReasonTaken = fault.Code{Name: "id_number_taken", Kind: fault.Conflict,
		Text: "该身份证号已在其他账号完成实名，请用原手机号登录；如原号码已停用，请联系客服。"}
	ReasonLost = fault.Code{Name: "face_not_received", Kind: fault.Conflict,
		Text: "视频未能送达，本次不计入次数，请重新录制。"}
	ReasonAway = fault.Code{Name: "checker_unavailable", Kind: fault.Unavailable,
		Text: "认证服务暂时没有应答，本次不计入次数，请稍后重新认证。"}
)

// Reason finds a reason by its stable name, for a check read from the store.
func Reason(name string) (fault.Code, bool) {
	for _, r := range []fault.Code{ReasonFactors, ReasonCard, ReasonCardPhone, ReasonCardUnusable, ReasonFace, ReasonNotLive, ReasonTaken, ReasonLost, ReasonAway} {
		if r.Name == name {
			return r, true
		}
	}
	return fault.Code{}, false
}

// Check is one check as stored.
type Check struct {
	ID      string
	Account string
	Purpose Purpose
	// Subject is the thing that a flow asks a face for; empty for PurposePerson.
	Subject string
	// Method is empty where only a face is asked for.
	Method Method
	State  State
	// Name, IDNumber, Phone and, for MethodBank, Card are what is checked; empty
	// when the check is over.
	Name, IDNumber, Phone, Card string
	// CardTail is the card's last four digits and CardHash a keyed hash of its
	// number in hex; they stay.
	CardTail, CardHash string
	// Calls counts the calls to the checker; Ref is the one whose answer is
	// outstanding, empty for none.
	Calls int
	Ref   string
	// Failed counts the videos that the checker refused.
	Failed int
	// Reason is the name of the last refusal.
	Reason    string
	StartedAt time.Time
	Version   int64
	// Remaining is how many attempts the account has left today; set by Service.
	Remaining int
}

// Person is a verified person.
type Person struct {
	Account string
	// Holder is an opaque id that stands for the person in certificates and to
	// platforms (docs/domain.md §2.5); it stays the same when the name changes.
	Holder string
	Name   string
	// IDType is the kind of document; IDResident is the only one (docs/domain.md A37).
	IDType   string
	IDNumber string
	// IDHash is keyed and finds the person by document.
	IDHash     []byte
	VerifiedAt time.Time
}

// FormerName is a name that a person had; the present one is Person's, since
// VerifiedAt.
type FormerName struct {
	ID, Account, Name string
	// From is when it was verified, Until when the next one was.
	From, Until time.Time
}

// IDResident is the resident ID card (居民身份证).
const IDResident = "resident"

// Store keeps checks and persons. Names, numbers and phones are sealed by it.
// Absent rows are work.ErrNotFound, a lost compare-and-swap is work.ErrConflict.
type Store interface {
	// Attempt counts one attempt of a day and gives the count. The row stays locked
	// until the commit, which puts an account's starts one after the other.
	Attempt(ctx context.Context, tx work.Tx, account string, p Purpose, day int64) (int, error)
	// GiveBack takes one attempt of that day back.
	GiveBack(ctx context.Context, tx work.Tx, account string, p Purpose, day int64) error
	Attempts(ctx context.Context, tx work.Tx, account string, p Purpose, day int64) (int, error)

	Insert(ctx context.Context, tx work.Tx, c Check) error
	Get(ctx context.Context, tx work.Tx, id string) (Check, error)
	// Latest gives the newest check for a subject.
	Latest(ctx context.Context, tx work.Tx, account string, p Purpose, subject string) (Check, error)
	Put(ctx context.Context, tx work.Tx, c Check) error
	// EndOpen ends the checks of an account and purpose that are not over.
	EndOpen(ctx context.Context, tx work.Tx, account string, p Purpose) error

	// AddPerson inserts; false if the account or the document has a person.
	AddPerson(ctx context.Context, tx work.Tx, p Person) (bool, error)
	Rename(ctx context.Context, tx work.Tx, account, name string, at time.Time) error
	Person(ctx context.Context, tx work.Tx, account string) (Person, error)
	// PutFormerName keeps a name that was replaced; FormerNames gives them, the
	// last one first.
	PutFormerName(ctx context.Context, tx work.Tx, n FormerName) error
	FormerNames(ctx context.Context, tx work.Tx, account string) ([]FormerName, error)
	// AccountOf gives the account of the person with a document.
	AccountOf(ctx context.Context, tx work.Tx, idHash []byte) (string, error)

	// EndAll ends the checks of an account that are not over, whatever for.
	EndAll(ctx context.Context, tx work.Tx, account string) error
	// Release makes a person unfindable by document and account; Erase deletes it,
	// its former names, and what checks keep of bank cards.
	Release(ctx context.Context, tx work.Tx, account string, tombstone []byte, at time.Time) error
	Erase(ctx context.Context, tx work.Tx, account string) error
}

// Query asks whether name, ID number and phone belong to one person (手机三要素).
type Query struct{ Ref, Name, IDNumber, Phone string }

// CardQuery asks whether name, ID number and card belong to one person, and whether
// the bank has the phone on file for it (银行卡四要素).
type CardQuery struct{ Ref, Name, IDNumber, Phone, Card string }

// FaceQuery asks whether a live face is the person's.
type FaceQuery struct {
	Ref, Name, IDNumber string
	// Video is the recording, webm or mp4. nil asks for the answer to a reference
	// that the checker may have received already.
	Video []byte
}

// Answer is a checker's answer.
type Answer struct {
	Passed bool
	// Reason, if it did not pass, is ReasonFactors, ReasonCard, ReasonCardPhone,
	// ReasonCardUnusable, ReasonFace or ReasonNotLive.
	Reason fault.Code
}

// ErrNoSuchCheck says that the checker never received a reference.
var ErrNoSuchCheck = errors.New("realname: the checker does not know this reference")

// Checker is the outside service. Every call is repeatable: a reference that was
// received before gets the answer of that check and is not charged again. An error
// says nothing about the person and is asked again with the same reference. A
// checker keeps names, numbers and videos out of its errors and logs.
type Checker interface {
	PersonFactors(ctx context.Context, q Query) (Answer, error)
	CardFactors(ctx context.Context, q CardQuery) (Answer, error)
	// Face fails with ErrNoSuchCheck if Video is nil and the reference is unknown.
	Face(ctx context.Context, q FaceQuery) (Answer, error)
}

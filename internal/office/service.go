package office

import (
	"context"
	"encoding/json"
	"time"

	"tianweitong/internal/fault"
)

// Idle is how long a session lives without a request.
const Idle = 30 * time.Minute

var notBuilt = fault.Code{Name: "not_built", Kind: fault.Unavailable, Text: "该功能正在建设中。"}

// Service is the officers' rules over their store.
type Service struct{}

// Session is a session as its page gets it; Token is empty when the cookie stays.
type Session struct {
	Caller
	Token string
}

// Offer is the secret of a one-time password, shown once.
type Offer struct {
	Secret, URL string
	QR          []byte
}

// Action is what a proposal changes.
type Action string

// ProposalState is how far a proposal has come.
type ProposalState string

// Open waits for a decision.
const Open ProposalState = "open"

// Proposal is a change that two officers make.
type Proposal struct {
	ID                         string
	Action                     Action
	Subject, Proposer, Decider Officer
	Phone                      string
	Roles, RolesBefore         []Role
	State                      ProposalState
	ProposedAt, ExpiresAt      time.Time
	DecidedAt                  time.Time
	Reason                     string
}

// DecidableBy tells whether an officer may decide it.
func (p Proposal) DecidableBy(o Officer) bool { return false }

// Part is a part of a one-time password.
type Part struct {
	Number int
	Code   string
	Until  time.Time
}

// New is what a new officer is made of.
type New struct {
	Name, DisplayName, Phone string
	Roles                    []Role
}

// Listed is an officer with what a list shows of him.
type Listed struct {
	Officer
	Factors  []Kind
	Proposal string
}

// MaskPhone shows the ends of a number.
func MaskPhone(phone string) string { return "" }

func (s *Service) Passkeys() bool { return false }
func (s *Service) Authenticate(ctx context.Context, token string) (Caller, error) {
	return Caller{}, CodeLogin
}
func (s *Service) SignIn(ctx context.Context, name, password, address string) (Session, error) {
	return Session{}, notBuilt
}
func (s *Service) SignOut(ctx context.Context, c Caller) error { return notBuilt }
func (s *Service) EnterTOTP(ctx context.Context, c Caller, code string) (Session, error) {
	return Session{}, notBuilt
}
func (s *Service) BeginPasskey(ctx context.Context, c Caller) (json.RawMessage, error) {
	return nil, notBuilt
}
func (s *Service) FinishPasskey(ctx context.Context, c Caller, credential []byte) (Session, error) {
	return Session{}, notBuilt
}
func (s *Service) SetPassword(ctx context.Context, c Caller, old, fresh, address string) (Session, error) {
	return Session{}, notBuilt
}
func (s *Service) Factors(ctx context.Context, c Caller) ([]Factor, error)     { return nil, notBuilt }
func (s *Service) RemoveFactor(ctx context.Context, c Caller, id string) error { return notBuilt }
func (s *Service) BeginTOTP(ctx context.Context, c Caller, password, address string) (Offer, error) {
	return Offer{}, notBuilt
}
func (s *Service) FinishTOTP(ctx context.Context, c Caller, code string) (Session, error) {
	return Session{}, notBuilt
}
func (s *Service) BeginEnrolment(ctx context.Context, c Caller, password, address string) (json.RawMessage, error) {
	return nil, notBuilt
}
func (s *Service) FinishEnrolment(ctx context.Context, c Caller, label string, credential []byte) (Session, error) {
	return Session{}, notBuilt
}
func (s *Service) List(ctx context.Context) ([]Listed, error) { return nil, notBuilt }
func (s *Service) ProposeCreate(ctx context.Context, c Caller, n New) (Proposal, Part, error) {
	return Proposal{}, Part{}, notBuilt
}
func (s *Service) ProposeRoles(ctx context.Context, c Caller, id string, roles []Role) (Proposal, error) {
	return Proposal{}, notBuilt
}
func (s *Service) ProposeEnable(ctx context.Context, c Caller, id string) (Proposal, error) {
	return Proposal{}, notBuilt
}
func (s *Service) ProposeReset(ctx context.Context, c Caller, id string) (Proposal, Part, error) {
	return Proposal{}, Part{}, notBuilt
}
func (s *Service) Disable(ctx context.Context, c Caller, id, reason string) error { return notBuilt }
func (s *Service) Proposals(ctx context.Context) ([]Proposal, error)              { return nil, notBuilt }
func (s *Service) Approve(ctx context.Context, c Caller, id string) (Proposal, Part, error) {
	return Proposal{}, Part{}, notBuilt
}
func (s *Service) Refuse(ctx context.Context, c Caller, id, reason string) (Proposal, error) {
	return Proposal{}, notBuilt
}
func (s *Service) Withdraw(ctx context.Context, c Caller, id string) error { return notBuilt }

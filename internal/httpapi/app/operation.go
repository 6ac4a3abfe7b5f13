package app

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/pin"
	"tianweitong/internal/httpapi"
	"tianweitong/splitkey"
)

// Finisher is a flow that custody's operations belong to, by the word before
// the dot in custody.Activation.Business.
type Finisher interface {
	Finish(ctx context.Context, h custody.Holder, a custody.Activation) (custody.Finish, error)
}

type enrolmentPath struct{ sealedBody }

type enrolmentInput struct {
	Kind    string `json:"kind"`    // "pin" or "sign"
	Subject string `json:"subject"` // a setup or recovery, or an installation
}

type keyPath struct {
	sealedBody
	ID string `path:"id" maxLength:"40"`
}

type operationPath struct {
	sealedBody
	ID string `path:"opID" maxLength:"40"`
}

// operationRoutes are custody's own: every one a sealed exchange, no-store as
// all answers are (docs/split-keys.md §2).
func (s *Server) operationRoutes() {
	sealedRoute(s, http.MethodPost, "/enrolments", Session, "密钥生成：开始", func(ctx context.Context, c account.Caller, _ *enrolmentPath, in enrolmentInput) (custody.Enrolment, error) {
		return s.enrol(ctx, holder(c), in)
	})
	sealedRoute(s, http.MethodPost, "/enrolments/{id}/key", Session, "密钥生成：两方各生成一份", func(ctx context.Context, c account.Caller, p *keyPath, r splitkey.KeygenRequest) (splitkey.KeygenReply, error) {
		return s.Custody.Generate(ctx, holder(c), p.ID, r)
	})
	sealedRoute(s, http.MethodPost, "/operations/{opID}/nonce", Session, "操作：打开 PIN 码键盘", func(ctx context.Context, c account.Caller, p *operationPath, _ Empty) (custody.Offer, error) {
		if err := p.names(p.ID); err != nil {
			return custody.Offer{}, err
		}
		return s.Custody.Open(ctx, holder(c), p.ID)
	})
	sealedRoute(s, http.MethodPost, "/operations/{opID}/answer", Session, "操作：提交应答", func(ctx context.Context, c account.Caller, p *operationPath, a custody.Answer) (custody.Result, error) {
		if err := p.names(p.ID); err != nil {
			return custody.Result{}, err
		}
		if p.Body.NonceID != a.NonceID {
			return custody.Result{}, custody.CodeBadAnswer
		}
		return s.answer(ctx, c, p.ID, a)
	})
}

// names refuses a sealed request whose bound operation is not that of its path.
func (b *sealedBody) names(op string) error {
	if b.Body.OpID != op {
		return custody.CodeSealed
	}
	return nil
}

// enrol hands an enrolment to the flow that its subject belongs to.
func (s *Server) enrol(ctx context.Context, h custody.Holder, in enrolmentInput) (custody.Enrolment, error) {
	switch custody.Kind(in.Kind) {
	case custody.KindPIN:
		e, err := s.PIN.Enrol(ctx, h, in.Subject)
		if errors.Is(err, pin.CodeNoSetup) {
			return s.Recovers.Enrol(ctx, h, in.Subject)
		}
		return e, err
	case custody.KindSign:
		return s.Installs.Enrol(ctx, h, in.Subject)
	}
	return custody.Enrolment{}, httpapi.CodeMalformed
}

// answer completes an operation with what its flow does afterwards.
func (s *Server) answer(ctx context.Context, c account.Caller, op string, a custody.Answer) (custody.Result, error) {
	h := holder(c)
	activation, err := s.Custody.Activation(ctx, h, op)
	if err != nil {
		return custody.Result{}, err
	}
	flow, known := s.flow(activation.Business)
	if !known {
		return custody.Result{}, custody.CodeNoOperation
	}
	finish, err := flow.Finish(ctx, h, activation)
	if err != nil {
		return custody.Result{}, err
	}
	result, err := s.Custody.Answer(ctx, h, op, a, finish)
	if err == nil && activation.Business == install.BusinessTrial {
		// The certificate should be there when the phone asks next; if this
		// fails, the job goes on.
		if err := s.Installs.Issue(ctx, activation.Subject); err != nil {
			s.Log.WarnContext(ctx, "issuing goes on in the background", "installation", activation.Subject, "error", err)
		}
	}
	return result, err
}

// flow finds the flow of a business.
func (s *Server) flow(business string) (Finisher, bool) {
	prefix, _, _ := strings.Cut(business, ".")
	f, known := map[string]Finisher{
		"pin": s.PIN, "install": s.Installs, "recover": s.Recovers, "revoke": s.Revokes, "check": s.Checks, "scan": s.Scans, "transfer": s.Transfers,
	}[prefix]
	return f, known
}

package account

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// SMS sends text messages (短信). A provider maps template names to its own and
// keeps phone and parameters out of its logs and errors.
type SMS interface {
	// Send delivers one message. A call with a ref that was accepted before does
	// nothing. An error that wraps job.ErrGiveUp is final, others are tried again.
	Send(ctx context.Context, ref, phone, template string, params map[string]string) error
}

const topicSMS = "sms.send"

// smsPolicy spends its tries within the life of a code; a notice that the
// provider does not take in ten minutes stays in the app's list.
var smsPolicy = job.Policy{Pauses: []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}}

type text struct {
	Phone    string            `json:"phone"`
	Template string            `json:"template"`
	Params   map[string]string `json:"params,omitempty"`
	// Until is when the message is no longer of use; zero for never.
	Until time.Time `json:"until,omitzero"`
}

// sealedText is the job's body: personal data only inside Sealed.
type sealedText struct {
	Ref    string `json:"ref"`
	Sealed []byte `json:"sealed"`
}

func textPlace(ref string) secret.Place {
	return secret.Place{Table: "jobs", Column: topicSMS, Row: ref}
}

// Text sends an SMS to the account's number with the commit, and nothing to a
// closed account's. Templates are named
// by their noun, for instance "notice".
func (s *Service) Text(ctx context.Context, tx work.Tx, account, template string, params map[string]string) error {
	a, err := s.get(ctx, tx, account)
	if err != nil || !a.ClosedAt.IsZero() { // its number may be somebody else's by now
		return err
	}
	return s.enqueueText(ctx, tx, text{Phone: a.Phone, Template: template, Params: params})
}

// CodeTextBusy refuses an SMS to somebody else's number; it carries
// "retryAfterSeconds".
var CodeTextBusy = fault.Code{Name: "sms_house_busy", Kind: fault.TooMany,
	Text: "当前发送的短信过多，请稍后再试。"}

// TextTo sends an SMS with the commit to a number that need not have an account.
// All of them in an hour are bounded as the codes that strangers ask for are, and
// count against the ceiling of the whole house: CodeTextBusy. The caller bounds how
// often for one number.
func (s *Service) TextTo(ctx context.Context, tx work.Tx, phone, template string, params map[string]string) error {
	now := s.Clock.Now()
	for _, b := range []budget{
		limitOthers.budget([]byte{}, s.Limits.Hourly, time.Hour, CodeTextBusy), limitHouse.budget([]byte{}, s.Limits.Ceiling, time.Hour, CodeTextBusy),
	} {
		n, opened, err := s.Store.Count(ctx, tx, b.name, b.subject, now, b.span)
		if err != nil {
			return err
		}
		if n > b.most {
			return b.refuse(opened, now)
		}
	}
	if err := s.Store.CountHour(ctx, tx, hourSent, now); err != nil {
		return err
	}
	return s.enqueueText(ctx, tx, text{Phone: phone, Template: template, Params: params})
}

func (s *Service) enqueueText(ctx context.Context, tx work.Tx, t text) error {
	plain, err := json.Marshal(t)
	if err != nil {
		return err
	}
	ref := id.New(s.Rand)
	sealed, err := s.Box.Seal(textPlace(ref), plain)
	if err != nil {
		return err
	}
	body, err := json.Marshal(sealedText{Ref: ref, Sealed: sealed})
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, work.Job{Topic: topicSMS, Body: body})
}

func (s *Service) sendText(ctx context.Context, body []byte) error {
	var st sealedText
	if err := json.Unmarshal(body, &st); err != nil {
		return fmt.Errorf("%w: %w", job.ErrGiveUp, err)
	}
	plain, err := s.Box.Open(textPlace(st.Ref), st.Sealed)
	if err != nil {
		return fmt.Errorf("%w: message %s: %w", job.ErrGiveUp, st.Ref, err)
	}
	var t text
	if err := json.Unmarshal(plain, &t); err != nil {
		return fmt.Errorf("%w: message %s cannot be read", job.ErrGiveUp, st.Ref)
	}
	if !t.Until.IsZero() && !s.Clock.Now().Before(t.Until) {
		s.Log.Warn("an SMS was not delivered in time", "ref", st.Ref, "template", t.Template)
		return nil
	}
	return s.SMS.Send(ctx, st.Ref, t.Phone, t.Template, t.Params)
}

package e2e

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/phone"
)

// verified is a person who may buy.
func (w *world) verified() *journey.Person {
	w.Helper()
	p := w.stranger()
	if err := w.Register(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	if err := w.Verify(w.Context(), p); err != nil {
		w.Fatal(err)
	}
	return p
}

// pressed orders, opens a payment and presses a button of the counter.
func (w *world) pressed(p *journey.Person, button string) (order string) {
	w.Helper()
	o, err := p.Phone.Buy(w.Context(), app.SandboxInstitution, 1, w.client.Code())
	if err != nil {
		w.Fatal(err)
	}
	pay, err := p.Phone.Pay(w.Context(), o.ID, "sandbox")
	if err != nil {
		w.Fatal(err)
	}
	if err := w.Press(w.Context(), pay.URL, button); err != nil {
		w.Fatal(err)
	}
	return o.ID
}

// becomes waits for an order's state, that of its one payment, and that of the
// refund of it, "" for none.
func (w *world) becomes(p *journey.Person, order, state, payment, refund string) {
	w.Helper()
	type standing struct{ State string }
	var o struct {
		State             string
		Payments, Refunds []standing
	}
	d := w.deviceOf(p.Phone)
	eventually(w.T, "the order is "+state, func(context.Context) bool {
		o.Payments, o.Refunds = nil, nil
		d.do(http.MethodGet, "/app/v1/orders/"+order, "", nil).into(w.T, &o)
		var refunds []standing
		if refund != "" {
			refunds = []standing{{refund}}
		}
		return o.State == state && slices.Equal(o.Payments, []standing{{payment}}) && slices.Equal(o.Refunds, refunds)
	})
}

func TestMoneyArrivesOnceOrGoesBack(t *testing.T) {
	w := sandbox(t)
	p := w.verified()
	certificates := func(want int) {
		t.Helper()
		all, err := p.Phone.Certificates(t.Context())
		if err != nil || len(all) != want {
			t.Errorf("%d certificates, want %d, %v", len(all), want, err)
		}
	}
	w.becomes(p, w.pressed(p, "pay-twice"), "paid", "settled", "")
	certificates(1)

	// The notice is lost: the house asks by itself.
	lost := w.pressed(p, "silent")
	w.advance(31 * time.Second)
	w.becomes(p, lost, "paid", "settled", "")
	certificates(2)

	// Taken after the bill's end: the money goes back, and nothing was bought.
	late := w.pressed(p, "late")
	w.becomes(p, late, "unpaid", "late", "done")
	certificates(2)
	w.advance(31 * time.Minute)
	w.becomes(p, late, "cancelled", "late", "done")
	sound(t, w.house)
}

func TestCodesServeOnceToWhoeverReadsThem(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p := w.stranger()
	ticket, code, err := w.Code(ctx, p.Phone, "login", p.Number)
	if err != nil {
		t.Fatal(err)
	}
	wrong := "000000"
	if wrong == code {
		wrong = "000001"
	}
	_, err = p.Phone.RequestCode(ctx, "login", p.Number, phone.Solved{})
	refused(t, err, http.StatusTooManyRequests, "sms_too_soon")
	for try := 1; try <= 5; try++ {
		_, err = p.Phone.SignIn(ctx, p.Number, ticket, wrong)
		if try < 5 {
			refused(t, err, http.StatusUnprocessableEntity, "sms_code_wrong")
		}
	}
	refused(t, err, http.StatusTooManyRequests, "sms_code_exhausted")
	_, err = p.Phone.SignIn(ctx, p.Number, ticket, code)
	refused(t, err, http.StatusTooManyRequests, "sms_code_exhausted")

	w.advance(61 * time.Second)
	ticket, code, err = w.Code(ctx, p.Phone, "login", p.Number)
	if err != nil {
		t.Fatal(err)
	}
	w.advance(5*time.Minute + time.Second)
	_, err = p.Phone.SignIn(ctx, p.Number, ticket, code)
	refused(t, err, http.StatusGone, "sms_code_expired")

	ticket, code, err = w.Code(ctx, p.Phone, "login", p.Number)
	if err != nil {
		t.Fatal(err)
	}
	thief := w.stranger()
	_, err = thief.Phone.SignIn(ctx, thief.Number, ticket, code) // for another number
	refused(t, err, http.StatusConflict, "sms_code_unknown")
	if fresh, err := p.Phone.SignIn(ctx, p.Number, ticket, code); err != nil || !fresh {
		t.Fatalf("the right code: %t, %v", fresh, err)
	}
	_, err = p.Phone.SignIn(ctx, p.Number, ticket, code)
	refused(t, err, http.StatusGone, "sms_code_used")

	_, err = p.Phone.RequestCode(ctx, "login", "1990000000", phone.Solved{})
	refused(t, err, http.StatusUnprocessableEntity, "phone_invalid")
	w.advance(61 * time.Second)
	if err := w.SignIn(ctx, p, p.Phone); err != nil {
		t.Fatal(err)
	}
	ticket, code, err = w.Code(ctx, p.Phone, "realname", p.Number)
	if err != nil {
		t.Fatal(err)
	}
	last := p.IDNumber[17]
	if last++; last > '9' {
		last = '0'
	}
	_, err = p.Phone.StartRealName(ctx, p.Name, p.IDNumber[:17]+string(last), ticket, code)
	refused(t, err, http.StatusUnprocessableEntity, "id_number_invalid")
}

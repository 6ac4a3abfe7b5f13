package pay

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/order"
)

// The cashier's page is whole without a script; its only parts are these two.
var (
	//go:embed cashier.html
	cashierHTML string
	//go:embed cashier.css
	cashierCSS string

	cashier = template.Must(template.New("cashier").Parse(cashierHTML))
)

// cashierPolicy allows the style sheet and the buttons.
const cashierPolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// cashierView is a bill as the page shows it.
type cashierView struct {
	Problem             string // instead of a bill
	Title, Amount, Path string
	Payment, Until      string
	Trade, PaidAt       string
	Return              string
	State               order.StandingState
	Failed              bool // closed by the bank, not by time
}

// yuan writes fen as ¥32,100.00.
func yuan(fen int64) string {
	whole, sign := strconv.FormatInt(max(fen, -fen)/100, 10), ""
	if fen < 0 {
		sign = "−"
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return sign + "¥" + whole + "." + strconv.FormatInt(100+max(fen, -fen)%100, 10)[1:]
}

func minute(ms int64) string { return time.UnixMilli(ms).In(clock.China).Format("2006-01-02 15:04") }

// page shows a bill to the buyer.
func (c *Counter) page(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	b, ok := c.books.Bills[r.PathValue("payment")]
	if !ok {
		c.mu.Unlock()
		c.render(w, http.StatusNotFound, cashierView{Problem: "没有这个支付单。请从天威通的订单页面重新发起支付。"})
		return
	}
	v := cashierView{
		Title: b.Title, Amount: yuan(b.Amount), Path: CashierPath + b.Payment, Payment: b.Payment, Until: minute(b.ExpiresAt),
		Return: b.ReturnURL, State: order.StandingState(c.standing(b).State), Failed: b.State == order.StandingClosed,
	}
	if v.State == order.StandingPaid {
		v.Trade, v.PaidAt = b.Trade, minute(b.PaidAt)
	}
	c.mu.Unlock()
	c.render(w, http.StatusOK, v)
}

func (c *Counter) render(w http.ResponseWriter, status int, v cashierView) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", cashierPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	cashier.Execute(w, v)
}

func (c *Counter) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	w.Write([]byte(cashierCSS))
}

// press is a button of the page. A browser goes back to the page; a program gets
// {"notices": [status…]}.
func (c *Counter) press(w http.ResponseWriter, r *http.Request) {
	taken, err := c.Press(r.Context(), r.PathValue("payment"), r.PathValue("button"))
	browser := strings.Contains(r.Header.Get("Accept"), "text/html")
	if err != nil {
		status, why := http.StatusInternalServerError, "沙箱账本无法写入。"
		switch {
		case errors.Is(err, errNoBill):
			status, why = http.StatusNotFound, "没有这个支付单。请从天威通的订单页面重新发起支付。"
		case errors.Is(err, errButton):
			status, why = http.StatusConflict, "支付单当前不能这样操作，请返回查看它的状态。"
		}
		if browser {
			c.render(w, status, cashierView{Problem: why})
		} else {
			http.Error(w, why, status)
		}
		return
	}
	if browser {
		http.Redirect(w, r, CashierPath+r.PathValue("payment"), http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"notices": taken})
}

// listed is a payment as the panel shows it; amounts are fen, times RFC 3339.
type listed struct {
	Payment   string              `json:"payment"`
	Title     string              `json:"title"`
	Amount    int64               `json:"amount"`
	State     order.StandingState `json:"state"`
	CreatedAt time.Time           `json:"createdAt,omitzero"`
	ExpiresAt time.Time           `json:"expiresAt"`
	PaidAt    time.Time           `json:"paidAt,omitzero"`
	Trade     string              `json:"trade,omitempty"`
	Returned  int64               `json:"returned"`
	Page      string              `json:"page"`
	// Buttons are those that the payment takes as it stands.
	Buttons []string `json:"buttons"`
}

// listSize is how many payments the panel is shown.
const listSize = 200

// list shows the latest payments, newest first.
func (c *Counter) list(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	all := make([]listed, 0, len(c.books.Bills))
	for _, b := range c.books.Bills {
		l := listed{
			Payment: b.Payment, Title: b.Title, Amount: b.Amount, State: order.StandingState(c.standing(b).State), Trade: b.Trade,
			ExpiresAt: time.UnixMilli(b.ExpiresAt).UTC(), Returned: c.returned(b.Payment), Page: CashierPath + b.Payment, Buttons: []string{},
		}
		if b.CreatedAt > 0 {
			l.CreatedAt = time.UnixMilli(b.CreatedAt).UTC()
		}
		switch l.State {
		case order.StandingPaid:
			l.PaidAt = time.UnixMilli(b.PaidAt).UTC()
		case order.StandingUnpaid:
			l.Buttons = []string{"pay", "fail", "pay-twice", "late", "silent"}
		default:
			l.Buttons = []string{"late"}
		}
		all = append(all, l)
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), b.ExpiresAt.Compare(a.ExpiresAt), cmp.Compare(a.Payment, b.Payment))
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(all[:min(len(all), listSize)])
}

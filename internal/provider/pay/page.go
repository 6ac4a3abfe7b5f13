package pay

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"tianweitong/internal/money"
	"tianweitong/internal/order"
)

var cashier = template.Must(template.New("cashier").Parse(`<!doctype html>
<html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>沙箱收银台</title>
<style>body{font:16px/1.6 sans-serif;max-width:28rem;margin:2rem auto;padding:0 1rem}button{display:block;width:100%;padding:.7rem;margin:.5rem 0;font:inherit}</style>
<h1>沙箱收银台</h1>
<p>仅供测试，不会产生真实扣款。</p>
<p>{{.Title}}：<strong>{{.Amount}} 元</strong></p>
{{if .Open}}<form method="post"><button formaction="{{.Path}}/pay">支付</button>
<button formaction="{{.Path}}/fail">支付失败</button>
<button formaction="{{.Path}}/pay-twice">支付，通知发送两次</button>
<button formaction="{{.Path}}/late">逾期到账</button>
<button formaction="{{.Path}}/silent">支付，通知丢失</button></form>
{{else}}<p>{{if .Paid}}已支付，请返回天威通查看订单。{{else}}支付单已关闭。{{end}}</p>{{end}}
</html>
`))

// page shows a bill to the buyer.
func (c *Counter) page(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	b, ok := c.books.Bills[r.PathValue("payment")]
	var view map[string]any
	if ok {
		state := c.standing(b).State
		view = map[string]any{
			"Title": b.Title, "Amount": money.Fen(b.Amount), "Path": CashierPath + b.Payment,
			"Open": state == string(order.StandingUnpaid), "Paid": state == string(order.StandingPaid),
		}
	}
	c.mu.Unlock()
	if !ok {
		http.Error(w, "没有这个支付单。", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	cashier.Execute(w, view)
}

// press is a button of the page. A browser goes back to the page; a program gets
// {"notices": [status…]}.
func (c *Counter) press(w http.ResponseWriter, r *http.Request) {
	taken, err := c.Press(r.Context(), r.PathValue("payment"), r.PathValue("button"))
	switch {
	case errors.Is(err, errNoBill):
		http.Error(w, "没有这个支付单。", http.StatusNotFound)
	case errors.Is(err, errButton):
		http.Error(w, "支付单当前不能这样操作。", http.StatusConflict)
	case err != nil:
		http.Error(w, "沙箱账本无法写入。", http.StatusInternalServerError)
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		http.Redirect(w, r, CashierPath+r.PathValue("payment"), http.StatusSeeOther)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"notices": taken})
	}
}

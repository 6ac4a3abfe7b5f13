package app

import (
	"context"
	"net/http"
	"slices"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/order"
	"tianweitong/internal/work"
)

type cartInput struct {
	Body struct {
		Institution string `json:"institution" maxLength:"20" doc:"CA 机构编码"`
		Years       int    `json:"years" doc:"证书年限，1 至 3"`
		Platform    string `json:"platform" maxLength:"20" doc:"首个授权交易平台编码"`
	}
}

// OrderBody is an order as its buyer sees it. Amounts are fen.
type OrderBody struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"unpaid,paid,completed,cancelled,refunding,refunded"`
	// Reason is set for a cancelled order.
	Reason    string        `json:"reason,omitempty" enum:"buyer,expired"`
	TotalFen  int64         `json:"totalFen"`
	Lines     []LineBody    `json:"lines"`
	CreatedAt time.Time     `json:"createdAt"`
	ExpiresAt time.Time     `json:"expiresAt" doc:"支付截止时间"`
	PaidAt    time.Time     `json:"paidAt,omitzero"`
	EndedAt   time.Time     `json:"endedAt,omitzero"`
	Payments  []PaymentBody `json:"payments,omitempty"`
	Refunds   []RefundBody  `json:"refunds,omitempty"`
}

// LineBody is one line of an order.
type LineBody struct {
	ID              string `json:"id"`
	Kind            string `json:"kind" enum:"certificate"`
	Institution     string `json:"institution"`
	InstitutionName string `json:"institutionName"`
	Years           int    `json:"years"`
	Platform        string `json:"platform"`
	PlatformName    string `json:"platformName"`
	PriceFen        int64  `json:"priceFen"`
	State           string `json:"state" enum:"open,done,refunding,refunded,refund_failed"`
	Refundable      bool   `json:"refundable" doc:"可以申请退款；签发一旦开始即不可退"`
}

// PaymentBody is one payment of an order.
type PaymentBody struct {
	Payment   string    `json:"payment"`
	Gateway   string    `json:"gateway"`
	State     string    `json:"state" enum:"open,settled,closed,late,disputed,returned"`
	AmountFen int64     `json:"amountFen"`
	URL       string    `json:"url,omitempty" doc:"待支付时的收银台地址"`
	CreatedAt time.Time `json:"createdAt"`
	PaidAt    time.Time `json:"paidAt,omitzero"`
}

// RefundBody is one refund of an order.
type RefundBody struct {
	ID        string    `json:"id"`
	Line      string    `json:"line,omitempty" doc:"空：整笔支付退回"`
	AmountFen int64     `json:"amountFen"`
	State     string    `json:"state" enum:"open,done,failed"`
	Reason    string    `json:"reason" enum:"asked,late"`
	CreatedAt time.Time `json:"createdAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
}

// OrdersBody is a page of orders, newest first.
type OrdersBody struct {
	Orders []OrderBody `json:"orders"`
	Next   string      `json:"next,omitempty"`
}

type ordersInput struct {
	Cursor string `query:"cursor" maxLength:"40" doc:"上一页的 next"`
}

type orderPath struct {
	ID string `path:"id" maxLength:"40"`
}

type payInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		Gateway string `json:"gateway" maxLength:"20" doc:"支付方式"`
	}
}

type lineInput struct {
	ID   string `path:"id" maxLength:"40"`
	Line string `path:"line" maxLength:"40"`
}

func (s *Server) orderRoutes() {
	route(s, http.MethodPost, "/orders", Session, "下单", func(ctx context.Context, c account.Caller, in *cartInput) (*Body[OrderBody], error) {
		o, err := s.Purchases.Place(ctx, c.Account, order.Cart{Institution: in.Body.Institution, Years: in.Body.Years, Platform: in.Body.Platform})
		return s.orderBody(ctx, o, err)
	})
	route(s, http.MethodGet, "/orders", Session, "订单列表", func(ctx context.Context, c account.Caller, in *ordersInput) (*Body[OrdersBody], error) {
		page, err := s.Orders.List(ctx, c.Scope(), in.Cursor)
		if err != nil {
			return nil, err
		}
		bodies, err := s.orderBodies(ctx, page.Orders)
		return &Body[OrdersBody]{OrdersBody{bodies, page.Next}}, err
	})
	route(s, http.MethodGet, "/orders/{id}", Session, "订单详情", func(ctx context.Context, c account.Caller, in *orderPath) (*Body[OrderBody], error) {
		return s.orderOf(ctx, c, in.ID)
	})
	route(s, http.MethodPost, "/orders/{id}/cancel", Session, "取消待支付订单", func(ctx context.Context, c account.Caller, in *orderPath) (*Body[OrderBody], error) {
		if _, err := s.Orders.Cancel(ctx, c.Account, in.ID); err != nil {
			return nil, err
		}
		return s.orderOf(ctx, c, in.ID)
	})
	route(s, http.MethodPost, "/orders/{id}/payments", Session, "支付订单", func(ctx context.Context, c account.Caller, in *payInput) (*Body[PaymentBody], error) {
		p, err := s.Orders.Pay(ctx, c.Account, in.ID, in.Body.Gateway)
		return &Body[PaymentBody]{paymentBody(p)}, err
	})
	route(s, http.MethodPost, "/orders/{id}/lines/{line}/refund", Session, "申请退款", func(ctx context.Context, c account.Caller, in *lineInput) (*Body[OrderBody], error) {
		if _, err := s.Orders.Refund(ctx, c.Account, in.ID, in.Line); err != nil {
			return nil, err
		}
		return s.orderOf(ctx, c, in.ID)
	})
}

// orderOf is an order with its payments and refunds.
func (s *Server) orderOf(ctx context.Context, c account.Caller, id string) (*Body[OrderBody], error) {
	o, payments, refunds, err := s.Orders.Get(ctx, c.Account, id)
	out, err := s.orderBody(ctx, o, err)
	if err != nil {
		return nil, err
	}
	for _, p := range payments {
		out.Body.Payments = append(out.Body.Payments, paymentBody(p))
	}
	for _, r := range refunds {
		out.Body.Refunds = append(out.Body.Refunds, RefundBody{ID: r.ID, Line: r.Line, AmountFen: int64(r.Amount), State: string(r.State),
			Reason: r.Reason, CreatedAt: r.CreatedAt, EndedAt: r.EndedAt})
	}
	return out, nil
}

func (s *Server) orderBody(ctx context.Context, o order.Order, err error) (*Body[OrderBody], error) {
	if err != nil {
		return nil, err
	}
	bodies, err := s.orderBodies(ctx, []order.Order{o})
	if err != nil {
		return nil, err
	}
	return &Body[OrderBody]{bodies[0]}, nil
}

func (s *Server) orderBodies(ctx context.Context, orders []order.Order) ([]OrderBody, error) {
	out := make([]OrderBody, len(orders))
	var platforms, institutions []string
	for _, o := range orders {
		for _, l := range o.Lines {
			platforms, institutions = append(platforms, l.Platform), append(institutions, l.Institution)
		}
	}
	n, err := s.names(ctx, platforms, institutions)
	if err != nil {
		return nil, err
	}
	for i, o := range orders {
		out[i] = OrderBody{ID: o.ID, State: string(o.State), Reason: o.Reason, TotalFen: int64(o.Total), Lines: make([]LineBody, len(o.Lines)),
			CreatedAt: o.CreatedAt, ExpiresAt: o.ExpiresAt, PaidAt: o.PaidAt, EndedAt: o.EndedAt}
		if o.State == order.Cancelled && o.Reason == "" {
			out[i].Reason = order.ByTime // its time is up, the job has not been there
		}
		for j, l := range o.Lines {
			out[i].Lines[j] = LineBody{ID: l.ID, Kind: string(l.Kind), Institution: l.Institution, InstitutionName: n.institutions[l.Institution],
				Years: l.Years, Platform: l.Platform, PlatformName: n.platforms[l.Platform], PriceFen: int64(l.Price), State: string(l.State),
				Refundable: o.Refundable(l)}
		}
	}
	return out, nil
}

func paymentBody(p order.Payment) PaymentBody {
	b := PaymentBody{Payment: p.ID, Gateway: p.Gateway, State: string(p.State), AmountFen: int64(p.Amount), CreatedAt: p.CreatedAt, PaidAt: p.PaidAt}
	if p.State == order.PaymentOpen {
		b.URL = p.URL
	}
	return b
}

// names are what codes are called.
type names struct{ platforms, institutions map[string]string }

func (s *Server) names(ctx context.Context, platforms, institutions []string) (names, error) {
	n := names{map[string]string{}, map[string]string{}}
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		for _, code := range distinct(platforms) {
			p, err := s.Catalog.Platform(ctx, tx, code)
			if err != nil {
				return err
			}
			n.platforms[code] = p.Name
		}
		for _, code := range distinct(institutions) {
			i, err := s.Catalog.Institution(ctx, tx, code)
			if err != nil {
				return err
			}
			n.institutions[code] = i.Name
		}
		return nil
	})
	return n, err
}

func distinct(codes []string) []string {
	slices.Sort(codes)
	return slices.Compact(codes)
}

// paymentDoor takes the gateways' notices: no session, the notice carries the
// gateway's own signature (docs/payments.md). A notice that was taken, now or
// before, is answered with 200; the gateway repeats all others.
func (s *Server) paymentDoor() {
	s.mux.HandleFunc("POST /notify/pay/{gateway}", func(w http.ResponseWriter, r *http.Request) {
		err := s.Orders.Notice(r.Context(), r.PathValue("gateway"), order.RawNotice{
			Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header, Body: httpapi.RequestOf(r.Context()).Body,
		})
		if err != nil {
			httpapi.WriteProblem(w, r, s.Log, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"code":"SUCCESS"}`))
	})
}

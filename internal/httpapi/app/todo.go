package app

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/account"
)

// TodosBody lists what to do next, the most urgent first.
type TodosBody struct {
	Todos []TodoBody `json:"todos"`
}

// TodoBody is one row of 待办.
type TodoBody struct {
	Kind    string     `json:"kind" enum:"recovery,pin_locked,key_lost,realname,pay,install,enterprise_refused,join_requests,invitation,enterprise_review,enterprise_draft,set_pin,expiring"`
	Title   string     `json:"title"`
	Text    string     `json:"text"`
	Action  TodoAction `json:"action"`
	Urgency string     `json:"urgency" enum:"now,soon" doc:"now：今天要处理；soon：近期"`
	Since   time.Time  `json:"since,omitzero"`
	// Until is the end of the time to pay, of a lock, of a hold, or of a certificate.
	Until     time.Time `json:"until,omitzero"`
	AmountFen int64     `json:"amountFen,omitempty"`
}

// TodoAction is where the button leads.
type TodoAction struct {
	Kind        string `json:"kind" enum:"realname,pay,install,set_pin,unlock,recover,recovery,certificate,join_requests,invitation,application"`
	Label       string `json:"label"`
	Certificate string `json:"certificate,omitempty"`
	Order       string `json:"order,omitempty"`
	Recovery    string `json:"recovery,omitempty"`
	Enterprise  string `json:"enterprise,omitempty"`
	Application string `json:"application,omitempty"`
}

// The to-dos stay open to restricted sessions, which see the re-key alone.
func (s *Server) todoRoutes() {
	route(s, http.MethodGet, "/todos", Restricted, "待办", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[TodosBody], error) {
		all, err := s.Todos.List(ctx, c)
		out := TodosBody{Todos: make([]TodoBody, len(all))}
		for i, t := range all {
			out.Todos[i] = TodoBody{
				Kind: string(t.Kind), Title: t.Title, Text: t.Text, Urgency: string(t.Urgency), Since: t.Since, Until: t.Until, AmountFen: int64(t.Amount),
				Action: TodoAction{Kind: t.Action.Kind, Label: t.Action.Label, Certificate: t.Action.Certificate, Order: t.Action.Order, Recovery: t.Action.Recovery, Enterprise: t.Action.Enterprise,
					Application: t.Action.Application},
			}
		}
		return &Body[TodosBody]{out}, err
	})
}

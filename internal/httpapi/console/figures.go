package console

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/office"
)

// StatsDay are the figures of one calendar day in China.
type StatsDay struct {
	Date          string `json:"date" doc:"YYYY-MM-DD，北京时间"`
	Registrations int    `json:"registrations"`
	Verifications int    `json:"verifications" doc:"个人实名"`
	Enterprises   int    `json:"enterprises" doc:"新实名的企业"`
	Approved      int    `json:"approved"`
	Refused       int    `json:"refused"`
	WaitP50       int64  `json:"waitP50Seconds" doc:"当日办结件的等待工作时间；没有为 0"`
	WaitP90       int64  `json:"waitP90Seconds"`
}

// StatsBody are the figures of the last days, the oldest first.
type StatsBody struct {
	Days    []StatsDay   `json:"days"`
	Waiting StatsWaiting `json:"waiting"`
	At      time.Time    `json:"at"`
}

// StatsWaiting is what waits for an officer now.
type StatsWaiting struct {
	Open   int `json:"open" doc:"待审核"`
	Second int `json:"second" doc:"复核"`
	Late   int `json:"late" doc:"以上两项中已超时的"`
}

type statsInput struct {
	Days int `query:"days" minimum:"1" maximum:"90" default:"30"`
}

// LimitRow is one limit of SMS codes with its use.
type LimitRow struct {
	Name        string `json:"name"`
	Text        string `json:"text"`
	Most        int    `json:"most"`
	SpanSeconds int64  `json:"spanSeconds"`
	Busiest     int    `json:"busiest" doc:"用得最多的一个已用次数"`
	RefusedHour int    `json:"refusedHour" doc:"最近一小时拦截"`
	RefusedDay  int    `json:"refusedDay" doc:"最近 24 小时拦截"`
}

// HourBar is one hour of sent and refused codes.
type HourBar struct {
	At      time.Time `json:"at" doc:"该小时的开始"`
	Sent    int       `json:"sent"`
	Refused int       `json:"refused"`
}

// LimitsBody is how far the limits of SMS codes are used.
type LimitsBody struct {
	Limits   []LimitRow `json:"limits"`
	SentHour int        `json:"sentHour"`
	Ceiling  int        `json:"ceiling" doc:"全站每小时上限"`
	// CaptchasWrong are slide captchas (滑块验证) answered wrongly.
	CaptchasWrong int       `json:"captchasWrong" doc:"最近 24 小时滑块验证失败"`
	Hours         []HourBar `json:"hours" doc:"最近 24 小时，旧的在前"`
}

func (s *Server) figureRoutes() {
	route(s, http.MethodGet, "/stats", Anyone, "每日注册、实名、审核与等待", s.stats)
	route(s, http.MethodGet, "/limits", operator, "短信限额与用量", s.limits)
}

func (s *Server) stats(ctx context.Context, _ office.Caller, in *statsInput) (*Body[StatsBody], error) {
	all, err := s.Lookups.Stats(ctx, in.Days)
	if err != nil {
		return nil, err
	}
	out := StatsBody{Days: make([]StatsDay, len(all.Days)), At: s.Clock.Now(),
		Waiting: StatsWaiting{Open: all.Waiting.Open, Second: all.Waiting.Second, Late: all.Waiting.Late}}
	for i, d := range all.Days {
		out.Days[i] = StatsDay{Date: d.Date, Registrations: d.Registrations, Verifications: d.Verifications, Enterprises: d.Enterprises,
			Approved: d.Approved, Refused: d.Refused, WaitP50: int64(d.WaitP50 / time.Second), WaitP90: int64(d.WaitP90 / time.Second)}
	}
	return &Body[StatsBody]{out}, nil
}

// limitTexts say what each limit is (docs/accounts.md).
var limitTexts = map[string]string{
	"pause":     "同一手机号两次获取的间隔",
	"free":      "同一手机号免滑块验证",
	"account":   "同一账号登录后获取",
	"session":   "同一手机号登录后获取",
	"device":    "同一设备",
	"network":   "同一网络为同一手机号",
	"known":     "常用网络为同一手机号",
	"anyone":    "同一手机号未登录获取",
	"address":   "同一网络地址",
	"site":      "同一网络地址段",
	"strangers": "全站未登录获取",
	"others":    "全站邀请短信",
	"house":     "全站",
}

func (s *Server) limits(ctx context.Context, _ office.Caller, _ *Empty) (*Body[LimitsBody], error) {
	use, err := s.SMS.SMSUse(ctx)
	out := LimitsBody{Limits: make([]LimitRow, len(use.Limits)), SentHour: use.Sent, Ceiling: use.Ceiling, CaptchasWrong: use.CaptchasWrong,
		Hours: make([]HourBar, len(use.Hours))}
	for i, l := range use.Limits {
		out.Limits[i] = LimitRow{Name: l.Name, Text: limitTexts[l.Name], Most: l.Most, SpanSeconds: int64(l.Span / time.Second),
			Busiest: l.Busiest, RefusedHour: l.RefusedHour, RefusedDay: l.RefusedDay}
	}
	for i, h := range use.Hours {
		out.Hours[i] = HourBar{At: h.At, Sent: h.Sent, Refused: h.Refused}
	}
	return &Body[LimitsBody]{out}, err
}

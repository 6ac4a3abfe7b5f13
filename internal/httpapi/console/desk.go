package console

import (
	"context"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/flow/lookup"
	"tianweitong/internal/office"
	"tianweitong/internal/scan"
	"tianweitong/internal/verification"
)

// Desk is what officers work with: reviews, look-ups, figures, callbacks.
type Desk struct {
	Reviews   Reviews
	Lookups   *lookup.Service
	SMS       SMS
	Callbacks Callbacks
}

// Reviews is enterprise.Service as officers use it (docs/enterprises.md).
type Reviews interface {
	Reviews(ctx context.Context, tab verification.Tab, cursor string) (verification.ReviewPage, error)
	Review(ctx context.Context, id string) (verification.Review, error)
	Picture(ctx context.Context, id, kind string) ([]byte, error)
	Claim(ctx context.Context, o verification.Officer, id string) error
	Release(ctx context.Context, o verification.Officer, id string) error
	Approve(ctx context.Context, o verification.Officer, id string, seen time.Time, checks []string) error
	Refuse(ctx context.Context, o verification.Officer, id string, seen time.Time, reasons []string, note string) error
	Escalate(ctx context.Context, o verification.Officer, id, note string) error
}

// SMS is account.Service as its limits are shown.
type SMS interface {
	SMSUse(ctx context.Context) (account.SMSUse, error)
}

// Callbacks is platformapi.Callbacks. An empty platform stands for all.
type Callbacks interface {
	Undelivered(ctx context.Context, platform string, n int) ([]scan.Undelivered, error)
	Replay(ctx context.Context, platform, transaction string) error
}

// Who may do what at the desk (docs/console.md).
var (
	verifier   = Roles(office.Verifier)
	operator   = Roles(office.Operator)
	deskWorker = Roles(office.Operator, office.Verifier)
)

func (s *Server) deskRoutes() {
	s.reviewRoutes()
	s.lookupRoutes()
	s.figureRoutes()
	s.callbackRoutes()
}

// clerk is the caller as the look-ups know him.
func clerk(c office.Caller) lookup.Officer { return lookup.Officer{ID: c.ID} }

// names gives the officers by id.
func (s *Server) names(ctx context.Context) (map[string]OfficerRef, error) {
	all, err := s.Officers.List(ctx)
	out := make(map[string]OfficerRef, len(all))
	for _, o := range all {
		out[o.ID] = ref(o.Officer)
	}
	return out, err
}

// named is an officer by his id, or nil for nobody.
func named(names map[string]OfficerRef, id string) *OfficerRef {
	if id == "" {
		return nil
	}
	o, ok := names[id]
	if !ok {
		o = OfficerRef{ID: id}
	}
	return &o
}

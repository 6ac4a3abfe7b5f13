package console

import (
	"tianweitong/internal/audit"
	"tianweitong/internal/office"
	"tianweitong/internal/work"
)

// Deps are the services behind the routes.
type Deps struct {
	Base
	Runner   work.Runner
	Officers *office.Service
	Audit    audit.Store
	Desk
}

func (s *Server) routes() {
	s.sessionRoutes()
	s.factorRoutes()
	s.officerRoutes()
	s.proposalRoutes()
	s.auditRoutes()
	s.deskRoutes()
}

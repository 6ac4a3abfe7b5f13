package console

import "tianweitong/internal/office"

// Deps are the services behind the routes.
type Deps struct {
	Base
	Officers *office.Service
}

func (s *Server) routes() {
	s.sessionRoutes()
	s.factorRoutes()
	s.officerRoutes()
	s.proposalRoutes()
	s.auditRoutes()
}

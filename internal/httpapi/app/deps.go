package app

import (
	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/check"
	"tianweitong/internal/flow/closing"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/pin"
	"tianweitong/internal/flow/purchase"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/rephone"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/flow/safety"
	"tianweitong/internal/flow/standing"
	"tianweitong/internal/flow/todo"
	"tianweitong/internal/notice"
	"tianweitong/internal/order"
	"tianweitong/internal/puzzle"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/scan"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// Deps are the services behind the routes.
type Deps struct {
	Base
	// Runner opens the transactions of routes whose nouns leave that to the caller.
	Runner       work.Runner
	Accounts     *account.Service
	Puzzles      *puzzle.Service
	Rephone      *rephone.Service
	Safety       *safety.Service
	Closing      *closing.Service
	Realnames    *realname.Service
	Catalog      *catalog.Service
	Notices      *notice.Service
	Orders       *order.Service
	Purchases    *purchase.Service
	Certificates *certificate.Service
	Roamings     *roaming.Service
	PINs         PINs
	Recoveries   Recoveries
	Custody      custody.Door
	PIN          *pin.Service
	Installs     *install.Service
	Recovers     *recover.Service
	Revokes      *revoke.Service
	Checks       *check.Service
	Scans        *scan.Service
	Usages       *usage.Service
	Standings    *standing.Service
	Todos        *todo.Service
	// Members tells as whom a caller may act.
	Members Members
	// Transfers finishes the transfer of an enterprise that a PIN confirmed.
	Transfers Finisher
	// Rooms stand in packages of their own.
	Rooms []Room
}

func (s *Server) routes() {
	s.environmentRoutes()
	s.accountRoutes()
	s.safetyRoutes()
	s.realnameRoutes()
	s.catalogRoutes()
	s.noticeRoutes()
	s.orderRoutes()
	s.certificateRoutes()
	s.paymentDoor()
	s.pinRoutes()
	s.installRoutes()
	s.recoverRoutes()
	s.revokeRoutes()
	s.checkRoutes()
	s.operationRoutes()
	s.scanRoutes()
	s.usageRoutes()
	s.todoRoutes()
	for _, r := range s.Rooms {
		r.Mount(s)
	}
	s.eventRoute()
}

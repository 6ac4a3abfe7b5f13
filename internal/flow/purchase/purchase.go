// Package purchase is buying, across the nouns: a verified person orders, and
// what was paid for is delivered (M§2.6.2).
//
// It is the order's Fulfiller: with the payment comes the certificate's record,
// 待下载, and its first platform, which opens at installation. A refund ends both
// in its own transaction.
package purchase

import (
	"context"
	"time"

	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/money"
	"tianweitong/internal/notice"
	"tianweitong/internal/order"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// Persons tells who an account is; realname.CodeNotVerified if nobody yet.
type Persons interface {
	Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error)
}

// Orders is what Service needs of package order.
type Orders interface {
	Place(ctx context.Context, tx work.Tx, b order.Buyer, c order.Cart) (order.Order, error)
}

// Deps are what a Service needs.
type Deps struct {
	Runner  work.Runner
	Persons Persons
	Orders  Orders
}

// Service takes orders.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Place orders a certificate for a verified person. Refusals are those of
// order.Service.Place and realname.CodeNotVerified.
func (s *Service) Place(ctx context.Context, account string, c order.Cart) (order.Order, error) {
	var o order.Order
	err := s.Runner.Do(ctx, "purchase.place", func(ctx context.Context, tx work.Tx) (err error) {
		if _, err := s.Persons.Person(ctx, tx, account); err != nil {
			return err
		}
		o, err = s.Orders.Place(ctx, tx, order.Buyer{Kind: order.Person, Account: account}, c)
		return err
	})
	return o, err
}

// Catalog is what Prices needs of package catalog.
type Catalog interface {
	Platform(ctx context.Context, tx work.Tx, code string) (catalog.Platform, error)
	Price(ctx context.Context, tx work.Tx, institution string, kind catalog.Kind, years int, at time.Time) (money.Fen, error)
}

// Prices quotes carts from the catalog; it implements order.Prices.
type Prices struct{ Catalog Catalog }

var _ order.Prices = Prices{}

// Quote implements order.Prices. A platform that is closed is sold as little as
// an unknown one.
func (p Prices) Quote(ctx context.Context, tx work.Tx, c order.Cart, at time.Time) (money.Fen, error) {
	platform, err := p.Catalog.Platform(ctx, tx, c.Platform)
	if err != nil {
		return 0, err
	}
	if !platform.Active {
		return 0, catalog.CodePlatformUnknown
	}
	return p.Catalog.Price(ctx, tx, c.Institution, catalog.KindCertificate, c.Years, at)
}

// Certificates is what Fulfiller needs of package certificate.
type Certificates interface {
	Create(ctx context.Context, tx work.Tx, d certificate.Draft) (certificate.Certificate, error)
	CancelLine(ctx context.Context, tx work.Tx, line string) error
}

// Roamings is what Fulfiller needs of package roaming.
type Roamings interface {
	Plan(ctx context.Context, tx work.Tx, certificate, platform, line string) error
	CancelLine(ctx context.Context, tx work.Tx, line string) error
}

// Notices tells the buyer.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Fulfiller delivers paid orders; it implements order.Fulfiller.
type Fulfiller struct {
	Certificates Certificates
	Roamings     Roamings
	Notices      Notices
}

var _ order.Fulfiller = Fulfiller{}

// Paid implements order.Fulfiller: a person's certificate needs nobody's
// approval and waits for its installation (docs/domain.md §3.1).
func (f Fulfiller) Paid(ctx context.Context, tx work.Tx, o order.Order) error {
	for _, l := range o.Lines {
		c, err := f.Certificates.Create(ctx, tx, certificate.Draft{
			Holder:      certificate.Holder{Kind: certificate.Kind(o.Buyer.Kind), Account: o.Buyer.Account, Enterprise: o.Buyer.Enterprise},
			Institution: l.Institution, Years: l.Years, Platform: l.Platform, Order: o.ID, Line: l.ID,
		})
		if err != nil {
			return err
		}
		if err := f.Roamings.Plan(ctx, tx, c.ID, l.Platform, l.ID); err != nil {
			return err
		}
		err = f.Notices.Post(ctx, tx, notice.Notice{
			Account: o.Buyer.Account, Kind: "order.paid", Title: "支付成功，请安装证书",
			Body: "您购买的证书已可下载安装，安装后即可在所选平台使用。", Link: "/certificates/" + c.ID,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Withdraw implements order.Fulfiller.
func (f Fulfiller) Withdraw(ctx context.Context, tx work.Tx, _ order.Order, l order.Line) error {
	if err := f.Certificates.CancelLine(ctx, tx, l.ID); err != nil {
		return err
	}
	return f.Roamings.CancelLine(ctx, tx, l.ID)
}

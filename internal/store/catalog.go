package store

import (
	"context"
	"strings"
	"time"

	"tianweitong/internal/catalog"
	"tianweitong/internal/money"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Catalog is the catalog's store.
func (st *Store) Catalog() catalog.Store { return catalogs{st} }

type catalogs struct{ *Store }

func (catalogs) AddPlatform(ctx context.Context, tx work.Tx, p catalog.Platform, rank string) (bool, error) {
	n, err := queries(tx).InsertCatalogPlatform(ctx, db.InsertCatalogPlatformParams(platformRow(p, rank)))
	return n == 1, failure(err)
}

func (catalogs) PutPlatform(ctx context.Context, tx work.Tx, p catalog.Platform, rank string) error {
	r := platformRow(p, rank)
	return swapped(queries(tx).UpdateCatalogPlatform(ctx, db.UpdateCatalogPlatformParams{
		Rank: r.Rank, Name: r.Name, Region: r.Region, Host: r.Host, CallbackBase: r.CallbackBase,
		SignCertificate: r.SignCertificate, EncCertificate: r.EncCertificate, Active: r.Active, Sandbox: r.Sandbox,
		AskCode: r.AskCode, RegisteredAt: r.RegisteredAt, Code: r.Code,
	}))
}

func platformRow(p catalog.Platform, rank string) db.CatalogPlatform {
	return db.CatalogPlatform{
		Code: p.Code, Rank: rank, Name: p.Name, Region: p.Region, Host: p.Host, CallbackBase: p.CallbackBase,
		SignCertificate: notNil(p.SignCertificate), EncCertificate: notNil(p.EncCertificate),
		Active: p.Active, Sandbox: p.Sandbox, AskCode: p.AskCode, RegisteredAt: ms(p.RegisteredAt),
	}
}

func platform(r db.CatalogPlatform) catalog.Platform {
	return catalog.Platform{
		Code: r.Code, Name: r.Name, Region: r.Region, Host: r.Host, CallbackBase: r.CallbackBase,
		SignCertificate: r.SignCertificate, EncCertificate: r.EncCertificate,
		Active: r.Active, Sandbox: r.Sandbox, AskCode: r.AskCode, RegisteredAt: at(r.RegisteredAt),
	}
}

func (catalogs) Platform(ctx context.Context, tx work.Tx, code string) (catalog.Platform, error) {
	r, err := queries(tx).CatalogPlatform(ctx, code)
	return platform(r), failure(err)
}

// literal makes a search word stand for itself in LIKE … ESCAPE '!'.
var literal = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func (catalogs) Platforms(ctx context.Context, tx work.Tx, part string, s catalog.Span, n int) ([]catalog.Platform, error) {
	pattern := ""
	if part != "" {
		pattern = "%" + literal.Replace(part) + "%"
	}
	rows, err := queries(tx).CatalogPlatforms(ctx, db.CatalogPlatformsParams{Pattern: pattern, After: s.After, Before: s.Before, Most: int32(n)})
	out := make([]catalog.Platform, len(rows))
	for i, r := range rows {
		out[i] = platform(r)
	}
	return out, failure(err)
}

func (catalogs) CountPlatforms(ctx context.Context, tx work.Tx) (map[string]int, error) {
	rows, err := queries(tx).CountCatalogPlatforms(ctx)
	out := map[string]int{}
	for _, r := range rows {
		out[r.Region] = int(r.N)
	}
	return out, failure(err)
}

func (catalogs) CountWish(ctx context.Context, tx work.Tx, account string, day int64) (int, error) {
	n, err := queries(tx).CountCatalogWish(ctx, db.CountCatalogWishParams{Account: account, Day: day})
	return int(n), failure(err)
}

func (st catalogs) InsertWish(ctx context.Context, tx work.Tx, w catalog.Wish) error {
	note, err := st.seal("catalog_wishes", "note", w.ID, w.Note)
	if err != nil {
		return err
	}
	return failure(queries(tx).InsertCatalogWish(ctx, db.InsertCatalogWishParams{
		ID: w.ID, Account: w.Account, Name: w.Name, Region: w.Region, Address: w.Address, Note: note, WishedAt: ms(w.At),
	}))
}

func (st catalogs) Wishes(ctx context.Context, tx work.Tx, before string, n int) ([]catalog.Wish, error) {
	rows, err := queries(tx).CatalogWishes(ctx, db.CatalogWishesParams{Before: before, Most: int32(n)})
	if err != nil {
		return nil, failure(err)
	}
	out := make([]catalog.Wish, len(rows))
	for i, r := range rows {
		out[i] = catalog.Wish{ID: r.ID, Account: r.Account, Name: r.Name, Region: r.Region, Address: r.Address, At: at(r.WishedAt)}
		if out[i].Note, err = st.unseal("catalog_wishes", "note", r.ID, r.Note); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (catalogs) PutInstitution(ctx context.Context, tx work.Tx, i catalog.Institution) error {
	return failure(queries(tx).PutCatalogInstitution(ctx, db.PutCatalogInstitutionParams{Code: i.Code, Name: i.Name, Active: i.Active}))
}

func (catalogs) Institution(ctx context.Context, tx work.Tx, code string) (catalog.Institution, error) {
	r, err := queries(tx).CatalogInstitution(ctx, code)
	return catalog.Institution(r), failure(err)
}

func (catalogs) Institutions(ctx context.Context, tx work.Tx) ([]catalog.Institution, error) {
	rows, err := queries(tx).CatalogInstitutions(ctx)
	out := make([]catalog.Institution, len(rows))
	for i, r := range rows {
		out[i] = catalog.Institution(r)
	}
	return out, failure(err)
}

func (catalogs) PutPrice(ctx context.Context, tx work.Tx, p catalog.Price) error {
	return failure(queries(tx).PutCatalogPrice(ctx, db.PutCatalogPriceParams{
		Institution: p.Institution, Kind: string(p.Kind), Years: int64(p.Years), FromAt: ms(p.From), Fen: int64(p.Fen),
	}))
}

func (catalogs) Prices(ctx context.Context, tx work.Tx, institution string, when time.Time) ([]catalog.Price, error) {
	rows, err := queries(tx).CatalogPrices(ctx, db.CatalogPricesParams{Institution: institution, Now: ms(when)})
	out := make([]catalog.Price, len(rows))
	for i, r := range rows {
		out[i] = catalog.Price{
			Institution: r.Institution, Kind: catalog.Kind(r.Kind), Years: int(r.Years), Fen: money.Fen(r.Fen), From: at(r.FromAt),
		}
	}
	return out, failure(err)
}

package store

import (
	"context"
	"encoding/asn1"
	"fmt"
	"strings"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Certificates is the store of package certificate.
func (st *Store) Certificates() certificate.Store { return certificates{st} }

type certificates struct{ *Store }

func (certificates) Insert(ctx context.Context, tx work.Tx, c certificate.Certificate) error {
	return failure(queries(tx).InsertCertificate(ctx, db.InsertCertificateParams{
		ID: c.ID, HolderKind: string(c.Holder.Kind), AccountID: c.Holder.Account, EnterpriseID: c.Holder.Enterprise,
		Institution: c.Institution, Years: int64(c.Years), Platform: c.Platform, OrderID: c.Order, LineID: c.Line,
		State: string(c.State), IssueRef: c.IssueRef, NotBefore: ms(c.NotBefore), NotAfter: ms(c.NotAfter),
		SignSerial: c.SignSerial, EncSerial: c.EncSerial, SignKey: c.SignKey, EncKey: c.EncKey, Device: c.Device, KeysLost: c.KeysLost,
		Reason: c.Reason, CreatedAt: ms(c.CreatedAt), InstalledAt: ms(c.InstalledAt), RevokedAt: ms(c.RevokedAt), Version: c.Version,
	}))
}

func (certificates) Get(ctx context.Context, tx work.Tx, id string) (certificate.Certificate, error) {
	r, err := queries(tx).GetCertificate(ctx, id)
	return certificateOf(r), failure(err)
}

func (certificates) OfLine(ctx context.Context, tx work.Tx, line string) (certificate.Certificate, error) {
	r, err := queries(tx).GetCertificateOfLine(ctx, line)
	return certificateOf(r), failure(err)
}

func (certificates) List(ctx context.Context, tx work.Tx, h certificate.Holder, sel certificate.Selection, before string, n int) ([]certificate.Certificate, error) {
	platforms := ""
	if sel.Platforms != nil {
		platforms = "," + strings.Join(sel.Platforms, ",") + ","
	}
	if everybodys(h) {
		rows, err := queries(tx).ListEnterpriseCertificates(ctx, db.ListEnterpriseCertificatesParams{
			EnterpriseID: h.Enterprise, Before: before, State: string(sel.State), Now: ms(sel.Now), Platforms: platforms, MaxCertificates: int32(n),
		})
		return certificatesOf(rows, err)
	}
	rows, err := queries(tx).ListCertificates(ctx, db.ListCertificatesParams{
		HolderKind: string(h.Kind), AccountID: h.Account, EnterpriseID: h.Enterprise, Before: before, State: string(sel.State),
		Now: ms(sel.Now), Device: sel.Device, Platforms: platforms, MaxCertificates: int32(n),
	})
	return certificatesOf(rows, err)
}

// everybodys tells whether a holder stands for all members of an enterprise.
func everybodys(h certificate.Holder) bool {
	return h.Kind == certificate.Enterprise && h.Account == "" && h.Enterprise != ""
}

func certificatesOf(rows []db.Certificate, err error) ([]certificate.Certificate, error) {
	out := make([]certificate.Certificate, len(rows))
	for i, r := range rows {
		out[i] = certificateOf(r)
	}
	return out, failure(err)
}

func (certificates) Counts(ctx context.Context, tx work.Tx, h certificate.Holder, now time.Time, device string) (map[certificate.State]int, error) {
	if everybodys(h) {
		rows, err := queries(tx).CountEnterpriseCertificates(ctx, db.CountEnterpriseCertificatesParams{EnterpriseID: h.Enterprise, Now: ms(now)})
		out := map[certificate.State]int{}
		for _, r := range rows {
			out[certificate.State(r.Derived)] = int(r.N)
		}
		return out, failure(err)
	}
	rows, err := queries(tx).CountCertificates(ctx, db.CountCertificatesParams{
		HolderKind: string(h.Kind), AccountID: h.Account, EnterpriseID: h.Enterprise, Now: ms(now), Device: device,
	})
	out := map[certificate.State]int{}
	for _, r := range rows {
		out[certificate.State(r.Derived)] = int(r.N)
	}
	return out, failure(err)
}

func (certificates) Platforms(ctx context.Context, tx work.Tx, h certificate.Holder) ([]string, error) {
	if everybodys(h) {
		codes, err := queries(tx).ListEnterpriseCertificatePlatforms(ctx, h.Enterprise)
		return codes, failure(err)
	}
	codes, err := queries(tx).ListCertificatePlatforms(ctx, db.ListCertificatePlatformsParams{
		HolderKind: string(h.Kind), AccountID: h.Account, EnterpriseID: h.Enterprise,
	})
	return codes, failure(err)
}

func (certificates) Update(ctx context.Context, tx work.Tx, c certificate.Certificate) error {
	return swapped(queries(tx).UpdateCertificate(ctx, db.UpdateCertificateParams{
		ID: c.ID, Version: c.Version, State: string(c.State), IssueRef: c.IssueRef, NotBefore: ms(c.NotBefore), NotAfter: ms(c.NotAfter),
		SignSerial: c.SignSerial, EncSerial: c.EncSerial, SignKey: c.SignKey, EncKey: c.EncKey, Device: c.Device, KeysLost: c.KeysLost,
		Reason: c.Reason, InstalledAt: ms(c.InstalledAt), RevokedAt: ms(c.RevokedAt),
	}))
}

func (certificates) MarkKeys(ctx context.Context, tx work.Tx, account string, lost bool) error {
	return failure(queries(tx).MarkCertificateKeys(ctx, db.MarkCertificateKeysParams{AccountID: account, KeysLost: lost}))
}

func (certificates) InsertLeaf(ctx context.Context, tx work.Tx, l certificate.Leaf) error {
	var chain []byte
	for _, der := range l.Chain {
		chain = append(chain, der...)
	}
	return failure(queries(tx).InsertIssuedCertificate(ctx, db.InsertIssuedCertificateParams{
		Serial: l.Serial, CertificateID: l.Certificate, UseFor: string(l.Use), KeyID: l.Key,
		Der: notNil(l.DER), Chain: notNil(chain), InstalledAt: ms(l.InstalledAt),
	}))
}

func (certificates) ReplaceLeaf(ctx context.Context, tx work.Tx, serial string, at time.Time) error {
	return swapped(queries(tx).ReplaceIssuedCertificate(ctx, db.ReplaceIssuedCertificateParams{Serial: serial, ReplacedAt: ms(at)}))
}

func (certificates) Leaf(ctx context.Context, tx work.Tx, serial string) (certificate.Leaf, error) {
	r, err := queries(tx).GetIssuedCertificate(ctx, serial)
	if err != nil {
		return certificate.Leaf{}, failure(err)
	}
	return leafOf(r)
}

func (certificates) Leaves(ctx context.Context, tx work.Tx, id string) ([]certificate.Leaf, error) {
	rows, err := queries(tx).ListIssuedCertificates(ctx, id)
	if err != nil {
		return nil, failure(err)
	}
	out := make([]certificate.Leaf, len(rows))
	for i, r := range rows {
		if out[i], err = leafOf(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func certificateOf(r db.Certificate) certificate.Certificate {
	return certificate.Certificate{
		ID:          r.ID,
		Holder:      certificate.Holder{Kind: certificate.Kind(r.HolderKind), Account: r.AccountID, Enterprise: r.EnterpriseID},
		Institution: r.Institution, Years: int(r.Years), Platform: r.Platform, Order: r.OrderID, Line: r.LineID,
		State: certificate.State(r.State), IssueRef: r.IssueRef, NotBefore: at(r.NotBefore), NotAfter: at(r.NotAfter),
		SignSerial: r.SignSerial, EncSerial: r.EncSerial, SignKey: r.SignKey, EncKey: r.EncKey, Device: r.Device, KeysLost: r.KeysLost, Reason: r.Reason,
		CreatedAt: at(r.CreatedAt), InstalledAt: at(r.InstalledAt), RevokedAt: at(r.RevokedAt), Version: r.Version,
	}
}

func leafOf(r db.IssuedCertificate) (certificate.Leaf, error) {
	l := certificate.Leaf{
		Serial: r.Serial, Certificate: r.CertificateID, Use: certificate.Use(r.UseFor), Key: r.KeyID, DER: r.Der,
		InstalledAt: at(r.InstalledAt), ReplacedAt: at(r.ReplacedAt),
	}
	for rest := r.Chain; len(rest) > 0; {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return certificate.Leaf{}, fmt.Errorf("issued_certificates.chain of %s: %w", r.Serial, err)
		}
		l.Chain = append(l.Chain, one.FullBytes)
	}
	return l, nil
}

package ca

import (
	"context"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/custody"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/pki/lint"
)

// plan is one certificate of the house: who it is, who certifies it, which key
// it holds.
type plan struct {
	name   string
	issuer string // "" for the root
	role   pki.Role
	key    custody.Role
	keyed  string // name of the key in custody
	cn, o  string
	years  int
	days   int
}

// plans lists the house's certificates in the order of the ceremony.
func (s *Service) plans() []plan {
	root := s.Operator
	if s.Sandbox {
		root = pki.SandboxOrganization
	}
	out := []plan{{name: rootName, role: pki.Root, key: custody.RoleRoot, keyed: rootName, cn: s.Operator + " 根CA", o: root, years: 20}}
	for _, i := range append([]Institution{{Operator, s.Operator}}, s.Institutions...) {
		out = append(out,
			plan{name: caName(i.Code), issuer: rootName, role: pki.IssuingCA, key: custody.RoleCA, keyed: i.Code, cn: i.Name + " 签发CA", o: i.Name, years: 10},
			plan{name: "ocsp/" + i.Code, issuer: caName(i.Code), role: pki.OCSPSigner, key: custody.RoleOCSP, keyed: i.Code, cn: i.Name + " OCSP", o: i.Name, days: 90})
	}
	op := caName(Operator)
	return append(out,
		plan{name: "tsa", issuer: op, role: pki.TSA, key: custody.RoleTSA, keyed: "tsa", cn: s.Operator + " 时间戳 TSA", o: s.Operator, years: 3},
		plan{name: "service/callback", issuer: op, role: pki.Service, key: custody.RoleCallback, keyed: custody.House, cn: s.Operator + " 回调 服务", o: s.Operator, years: 1},
		plan{name: "service/receipt", issuer: op, role: pki.Service, key: custody.RoleReceipt, keyed: custody.House, cn: s.Operator + " 凭证 服务", o: s.Operator, years: 1},
		plan{name: "service/statement", issuer: op, role: pki.Service, key: custody.RoleStatement, keyed: custody.House, cn: s.Operator + " 密码模块 服务", o: s.Operator, years: 1})
}

// Ceremony makes every key and certificate of the house that is missing, then
// loads all. It can be repeated: what exists stays.
func (s *Service) Ceremony(ctx context.Context) error {
	if err := s.Load(ctx); err != nil && !isMissing(err) {
		return err
	}
	for _, p := range s.plans() {
		if _, err := s.authority(p.name); err == nil {
			continue
		}
		if err := s.certify(ctx, p); err != nil {
			return fmt.Errorf("ca: certifying %s: %w", p.name, err)
		}
	}
	for _, p := range s.plans() {
		if p.role == pki.Root || p.role == pki.IssuingCA {
			if err := s.publishIfDue(ctx, institutionOf(p.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// certify makes one certificate of the house: key, draft, lint, record, sign,
// record. A recorded draft that was never signed stays behind, unsigned.
func (s *Service) certify(ctx context.Context, p plan) error {
	pub, err := s.Signer.CreateRole(ctx, p.key, p.keyed)
	if err != nil {
		return err
	}
	d, serial, err := s.draft(p, pub)
	if err != nil {
		return err
	}
	if _, err := lint.Check(s.Rand, d); err != nil {
		return err
	}
	row := Authority{Name: p.name, Serial: serial, Role: p.role, Issuer: p.issuer, TBS: d.TBS, CreatedAt: s.Clock.Now()}
	if err := s.Runner.Do(ctx, "ca.record", func(ctx context.Context, tx work.Tx) error {
		if err := s.Store.PutAuthority(ctx, tx, row); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "ca.authority-prepared", Actor: "system", Subject: p.name + "/" + serial})
	}); err != nil {
		return err
	}
	signer, name := p.key, p.keyed // the root signs itself
	switch {
	case p.issuer == rootName:
		signer, name = custody.RoleRoot, rootName
	case p.issuer != "":
		signer, name = custody.RoleCA, institutionOf(p.issuer)
	}
	if row.DER, err = s.sign(ctx, signer, name, d); err != nil {
		return err
	}
	cert, err := smx509.ParseCertificate(row.DER)
	if err != nil {
		return err
	}
	if err := s.Runner.Do(ctx, "ca.certify", func(ctx context.Context, tx work.Tx) error {
		if err := s.Store.SignAuthority(ctx, tx, p.name, serial, row.DER); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "ca.authority-issued", Actor: "system", Subject: p.name + "/" + serial})
	}); err != nil {
		return err
	}
	a := &authority{row, cert}
	s.mu.Lock()
	s.current[p.name] = a
	s.all = append(s.all, a)
	s.mu.Unlock()
	return nil
}

// backdated is how long before its making a certificate of the house begins.
const backdated = 5 * time.Minute

func (s *Service) draft(p plan, pub []byte) (pki.Draft, string, error) {
	serial, err := pki.NewSerial(s.Rand)
	if err != nil {
		return pki.Draft{}, "", err
	}
	key, err := point(pub)
	if err != nil {
		return pki.Draft{}, "", err
	}
	iss := pki.Issuer{Arc: s.Arc, Sandbox: s.Sandbox, CPSURL: s.BaseURL + "/cps"}
	end := time.Time{}
	if p.issuer != "" {
		if iss, err = s.issuer(p.issuer); err != nil {
			return pki.Draft{}, "", err
		}
		end = iss.Certificate.NotAfter
	}
	// A verifier whose clock lags a little must not find a renewed one too young.
	from := s.Clock.Now().Add(-backdated).Truncate(time.Second)
	if iss.Certificate != nil && from.Before(iss.Certificate.NotBefore) {
		from = iss.Certificate.NotBefore
	}
	to := from.AddDate(p.years, 0, p.days).Add(-time.Second)
	if !end.IsZero() && to.After(end) {
		to = end
	}
	d, err := pki.NewDraft(iss, pki.Template{
		Role: p.role, Serial: serial, PublicKey: key, NotBefore: from, NotAfter: to,
		Subject: pki.Name{Country: "CN", Organization: p.o, CommonName: p.cn},
	})
	return d, serialHex(serial), err
}

// inForce gives the house's certificate of a name, renewing it over the same
// key when less than a third of its life is left.
func (s *Service) inForce(ctx context.Context, name string) (*authority, error) {
	a, err := s.authority(name)
	if err != nil || !s.ageing(a) {
		return a, err
	}
	s.renew.Lock()
	defer s.renew.Unlock()
	if a, err = s.authority(name); err != nil || !s.ageing(a) {
		return a, err
	}
	for _, p := range s.plans() {
		if p.name == name {
			if err := s.certify(ctx, p); err != nil {
				if s.Clock.Now().Before(a.cert.NotAfter) {
					s.Log.Error("renewing a certificate of the house", "name", name, "error", err)
					return a, nil
				}
				return nil, err
			}
		}
	}
	return s.authority(name)
}

func (s *Service) ageing(a *authority) bool {
	switch a.Role {
	case pki.Root, pki.IssuingCA:
		return false // their renewal is a ceremony of its own
	}
	life := a.cert.NotAfter.Sub(a.cert.NotBefore)
	return s.Clock.Now().After(a.cert.NotAfter.Add(-life / 3))
}

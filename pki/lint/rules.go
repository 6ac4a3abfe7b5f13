package lint

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki"
	"tianweitong/pki/asn"
)

// subject is the certificate under judgement.
type subject struct {
	draft   pki.Draft
	profile pki.Profile
	cert    *smx509.Certificate
	issuer  *smx509.Certificate // nil: signs itself
	key     *ecdsa.PublicKey    // the certificate's own
	fields  fields
}

// fields are those parts of a TBSCertificate whose encoding the parser of smx509 does not tell.
type fields struct {
	algorithm  []byte
	validity   [2]cbasn1.Tag
	spki       []byte
	extensions []extension
}

type extension struct {
	oid      asn1.ObjectIdentifier
	critical bool
	value    []byte
}

// Rules returns the names of all rules, for the documentation and its test.
func Rules() []string {
	names := []string{"encoding"}
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

var rules = []struct {
	name  string
	check func(*subject) error
}{
	{"version", version},
	{"serial", serial},
	{"algorithm", algorithm},
	{"issuer-name", issuerName},
	{"issuer-authority", issuerAuthority},
	{"name-encoding", nameEncoding},
	{"subject", subjectAttributes},
	{"validity-encoding", validityEncoding},
	{"validity", validity},
	{"validity-issuer", validityIssuer},
	{"public-key", publicKey},
	{"key-reuse", keyReuse},
	{"extension-set", extensionSet},
	{"extension-encoding", extensionEncoding},
	{"criticality", criticality},
	{"basic-constraints", basicConstraints},
	{"key-usage", keyUsage},
	{"extended-key-usage", extKeyUsage},
	{"subject-key-id", subjectKeyID},
	{"authority-key-id", authorityKeyID},
	{"crl-point", crlPoint},
	{"authority-info", authorityInfo},
	{"policy", policy},
	{"host", host},
	{"holder", holder},
	{"sandbox", sandbox},
}

// readFields walks the TBSCertificate of RFC 5280 §4.1.
func readFields(tbs []byte) (f fields, err error) {
	s := cryptobyte.String(tbs)
	var seq, alg, period, skip, spki, exts cryptobyte.String
	var hasExts bool
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !s.Empty() ||
		!seq.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || !seq.SkipASN1(cbasn1.INTEGER) ||
		!seq.ReadASN1Element(&alg, cbasn1.SEQUENCE) || !seq.SkipASN1(cbasn1.SEQUENCE) ||
		!seq.ReadASN1(&period, cbasn1.SEQUENCE) ||
		!period.ReadAnyASN1(&skip, &f.validity[0]) || !period.ReadAnyASN1(&skip, &f.validity[1]) || !period.Empty() ||
		!seq.SkipASN1(cbasn1.SEQUENCE) || !seq.ReadASN1Element(&spki, cbasn1.SEQUENCE) {
		return f, errors.New("not a TBSCertificate")
	}
	f.algorithm, f.spki = alg, spki
	if !seq.ReadOptionalASN1(&exts, &hasExts, cbasn1.Tag(3).Constructed().ContextSpecific()) || !seq.Empty() {
		return f, errors.New("unique identifiers, or bytes after the extensions")
	}
	if !hasExts {
		return f, nil
	}
	var list cryptobyte.String
	if !exts.ReadASN1(&list, cbasn1.SEQUENCE) || !exts.Empty() {
		return f, errors.New("bad extensions")
	}
	for !list.Empty() {
		var ext, value cryptobyte.String
		var e extension
		if !list.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&e.oid) {
			return f, errors.New("bad extension")
		}
		if ext.PeekASN1Tag(cbasn1.BOOLEAN) {
			if !ext.ReadASN1Boolean(&e.critical) || !e.critical {
				return f, fmt.Errorf("extension %v spells out critical=FALSE", e.oid)
			}
		}
		if !ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return f, fmt.Errorf("bad extension %v", e.oid)
		}
		e.value = value
		f.extensions = append(f.extensions, e)
	}
	return f, nil
}

func (s *subject) extension(oid asn1.ObjectIdentifier) (extension, bool) {
	i := slices.IndexFunc(s.fields.extensions, func(e extension) bool { return e.oid.Equal(oid) })
	if i < 0 {
		return extension{}, false
	}
	return s.fields.extensions[i], true
}

func version(s *subject) error {
	if s.cert.Version != 3 {
		return fmt.Errorf("version %d, want 3", s.cert.Version)
	}
	return nil
}

// serial: 127 random bits; fewer than 64 significant ones are not random (CA/B BR §7.1).
func serial(s *subject) error {
	if n := s.cert.SerialNumber; n.Sign() <= 0 || n.BitLen() > 127 || n.BitLen() <= 64 {
		return fmt.Errorf("%d bits, want 127 random ones", n.BitLen())
	}
	return nil
}

func algorithm(s *subject) error {
	want, err := asn1.Marshal(struct{ OID asn1.ObjectIdentifier }{pki.OIDSM2WithSM3})
	if err != nil {
		return err
	}
	if !bytes.Equal(s.fields.algorithm, want) {
		return errors.New("not SM2-with-SM3 without parameters")
	}
	return nil
}

func issuerName(s *subject) error {
	want := s.cert.RawSubject
	if s.issuer != nil {
		want = s.issuer.RawSubject
	}
	if !bytes.Equal(s.cert.RawIssuer, want) {
		return errors.New("differs from the subject of the issuer's certificate")
	}
	return nil
}

// issuerAuthority: the issuer may issue this. A root signs itself and nothing else does.
func issuerAuthority(s *subject) error {
	i := s.issuer
	switch {
	case (i == nil) != (s.draft.Role == pki.Root):
		return errors.New("a root signs itself and nothing else does")
	case i == nil:
		return nil
	case !i.BasicConstraintsValid || !i.IsCA || i.KeyUsage&smx509.KeyUsageCertSign == 0:
		return errors.New("the issuer may not sign certificates")
	case s.profile.CA && i.MaxPathLenZero:
		return errors.New("the issuer may not certify authorities")
	}
	return nil
}

func nameEncoding(s *subject) error {
	_, err := pki.ParseName(s.cert.RawSubject)
	return err
}

func subjectAttributes(s *subject) error {
	p, n := s.profile, s.cert.Subject
	one := func(v []string) string { return strings.Join(v, "+") }
	for _, a := range []struct {
		name, value string
		want        pki.Presence
	}{
		{"C", one(n.Country), p.Country}, {"O", one(n.Organization), p.Organization},
		{"OU", one(n.OrganizationalUnit), p.Unit}, {"CN", n.CommonName, p.CommonName}, {"serialNumber", n.SerialNumber, p.Serial},
	} {
		if !a.want.Allows(a.value != "") {
			return fmt.Errorf("%s is missing or does not belong here", a.name)
		}
		if a.name == "C" && a.value != "" && a.value != "CN" {
			return errors.New("the country is not CN")
		}
	}
	return nil
}

func validityEncoding(s *subject) error {
	for i, t := range []time.Time{s.cert.NotBefore, s.cert.NotAfter} {
		if want := t.Year() < 2050; want != (s.fields.validity[i] == cbasn1.UTCTime) {
			return errors.New("UTCTime is for years through 2049, GeneralizedTime for later ones")
		}
	}
	return nil
}

func validity(s *subject) error {
	return s.profile.CheckValidity(s.cert.NotBefore, s.cert.NotAfter, s.draft.Replacement)
}

func validityIssuer(s *subject) error {
	if i := s.issuer; i != nil && (s.cert.NotBefore.Before(i.NotBefore) || s.cert.NotAfter.After(i.NotAfter)) {
		return errors.New("not within the validity of the issuer")
	}
	return nil
}

func publicKey(s *subject) error {
	_, err := pki.ParseSPKI(s.fields.spki)
	return err
}

func keyReuse(s *subject) error {
	if s.issuer != nil && bytes.Equal(s.fields.spki, s.issuer.RawSubjectPublicKeyInfo) {
		return errors.New("the key is the issuer's own")
	}
	return nil
}

// extensionSet: exactly the extensions of the profile, each once. What the linter does not know is refused, critical
// or not.
func extensionSet(s *subject) error {
	p := s.profile
	want := []struct {
		oid  asn1.ObjectIdentifier
		here pki.Presence
	}{
		{pki.OIDSubjectKeyID, pki.Required}, {pki.OIDAuthorityKeyID, pki.Required}, {pki.OIDKeyUsage, pki.Required},
		{pki.OIDBasicConstraints, required(p.CA)}, {pki.OIDExtKeyUsage, required(len(p.ExtKeyUsage) > 0)},
		{pki.OIDCRLPoints, p.CRL}, {pki.OIDAuthorityInfoAccess, max(p.OCSP, p.CAIssuers)}, {pki.OIDPolicies, p.Policy},
		{pki.OIDOCSPNoCheck, p.NoCheck}, {pki.OIDSubjectAltName, p.Host}, {pki.OIDIDNumber, p.IDNumber},
		{pki.OIDUSCC, p.USCC}, {s.draft.Issuer.Arc.MemberName(), p.MemberName},
	}
	for _, w := range want {
		if _, there := s.extension(w.oid); !w.here.Allows(there) {
			return fmt.Errorf("%v is missing or does not belong here", w.oid)
		}
	}
	for i, e := range s.fields.extensions {
		known := false
		for _, w := range want {
			known = known || w.oid.Equal(e.oid)
		}
		if !known {
			return fmt.Errorf("%v is unknown", e.oid)
		}
		for _, other := range s.fields.extensions[:i] {
			if other.oid.Equal(e.oid) {
				return fmt.Errorf("%v stands twice", e.oid)
			}
		}
	}
	return nil
}

func required(yes bool) pki.Presence {
	if yes {
		return pki.Required
	}
	return pki.Absent
}

// extensionEncoding: DER inside the octet strings too.
func extensionEncoding(s *subject) error {
	for _, e := range s.fields.extensions {
		if err := asn.Check(e.value); err != nil {
			return fmt.Errorf("%v: %w", e.oid, err)
		}
	}
	return nil
}

func criticality(s *subject) error {
	for _, e := range s.fields.extensions {
		want := e.oid.Equal(pki.OIDBasicConstraints) || e.oid.Equal(pki.OIDKeyUsage) ||
			e.oid.Equal(pki.OIDExtKeyUsage) && s.profile.CriticalUsage
		if e.critical != want {
			return fmt.Errorf("%v: critical is %v, want %v", e.oid, e.critical, want)
		}
	}
	return nil
}

func basicConstraints(s *subject) error {
	c, p := s.cert, s.profile
	if c.IsCA != p.CA {
		return fmt.Errorf("CA is %v, want %v", c.IsCA, p.CA)
	}
	limit := -1
	if c.MaxPathLen > 0 || c.MaxPathLenZero {
		limit = c.MaxPathLen
	}
	if p.CA && limit != p.PathLen {
		return fmt.Errorf("path length %d, want %d", limit, p.PathLen)
	}
	return nil
}

func keyUsage(s *subject) error {
	if s.cert.KeyUsage != s.profile.KeyUsage {
		return fmt.Errorf("%#x, want %#x", s.cert.KeyUsage, s.profile.KeyUsage)
	}
	return nil
}

func extKeyUsage(s *subject) error {
	if !slices.Equal(s.cert.ExtKeyUsage, s.profile.ExtKeyUsage) || len(s.cert.UnknownExtKeyUsage) > 0 {
		return fmt.Errorf("%v %v, want %v", s.cert.ExtKeyUsage, s.cert.UnknownExtKeyUsage, s.profile.ExtKeyUsage)
	}
	return nil
}

func subjectKeyID(s *subject) error {
	point, err := pki.Point(s.key)
	if err != nil {
		return nil // the rule "public-key" speaks
	}
	if !bytes.Equal(s.cert.SubjectKeyId, pki.KeyID(point)) {
		return errors.New("is not SM3 of the key, cut to 160 bits")
	}
	return nil
}

func authorityKeyID(s *subject) error {
	want := s.cert.SubjectKeyId
	if s.issuer != nil {
		want = s.issuer.SubjectKeyId
	}
	if !bytes.Equal(s.cert.AuthorityKeyId, want) {
		return errors.New("is not the issuer's subject key identifier")
	}
	return nil
}

func crlPoint(s *subject) error {
	want := []string{s.draft.Issuer.CRLURL}
	if s.profile.CRL == pki.Absent {
		want = nil
	}
	return sameURLs(s.cert.CRLDistributionPoints, want)
}

func authorityInfo(s *subject) error {
	iss, p := s.draft.Issuer, s.profile
	pick := func(here pki.Presence, url string) []string {
		if here == pki.Absent || here == pki.Optional && url == "" {
			return nil
		}
		return []string{url}
	}
	return errors.Join(sameURLs(s.cert.OCSPServer, pick(p.OCSP, iss.OCSPURL)),
		sameURLs(s.cert.IssuingCertificateURL, pick(p.CAIssuers, iss.CertURL)))
}

func sameURLs(have, want []string) error {
	if !slices.Equal(have, want) {
		return fmt.Errorf("%q, want %q", have, want)
	}
	for _, u := range have {
		if err := checkURL(u); err != nil {
			return err
		}
	}
	return nil
}

// checkURL wants an absolute http or https URL in visible ASCII. CRLs and OCSP answers are signed and fetched while TLS
// itself is being checked, so http is right for them (RFC 5280 §8).
func checkURL(u string) error {
	rest, ok := strings.CutPrefix(u, "http://")
	if !ok {
		rest, ok = strings.CutPrefix(u, "https://")
	}
	if !ok || rest == "" || rest[0] == '/' || strings.ContainsFunc(u, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%q is not an http URL", u)
	}
	return nil
}

// policy: the operator's policy with the address of its practice statement, then in end-entity certificates the role's.
func policy(s *subject) error {
	e, there := s.extension(pki.OIDPolicies)
	if !there {
		return nil // the rule "extension-set" speaks
	}
	in := cryptobyte.String(e.value)
	var list, info, qualifiers, qualifier, cps cryptobyte.String
	var id, kind, role asn1.ObjectIdentifier
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() || !list.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!info.ReadASN1ObjectIdentifier(&id) || !info.ReadASN1(&qualifiers, cbasn1.SEQUENCE) || !info.Empty() ||
		!qualifiers.ReadASN1(&qualifier, cbasn1.SEQUENCE) || !qualifiers.Empty() ||
		!qualifier.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(pki.OIDCPS) ||
		!qualifier.ReadASN1(&cps, cbasn1.IA5String) || !qualifier.Empty() {
		return errors.New("want the operator's policy with one CPS address")
	}
	arc := s.draft.Issuer.Arc
	if !s.profile.CA && (!list.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&role) || !info.Empty() ||
		!role.Equal(arc.RolePolicy(s.profile.Role))) {
		return errors.New("want the policy of the role")
	}
	if !list.Empty() {
		return errors.New("one policy too many")
	}
	if !id.Equal(arc.Policy()) && !id.Equal(arc.SandboxPolicy()) {
		return fmt.Errorf("%v is not a policy of the operator", id)
	}
	return sameURLs([]string{string(cps)}, []string{s.draft.Issuer.CPSURL})
}

// host: the registered host of a platform as one DNS name, and no other alternative name.
func host(s *subject) error {
	c := s.cert
	if len(c.EmailAddresses)+len(c.IPAddresses)+len(c.URIs) > 0 {
		return errors.New("only a DNS name may stand here")
	}
	if s.profile.Host == pki.Absent {
		return nil // the rule "extension-set" speaks
	}
	if len(c.DNSNames) != 1 || !isHost(c.DNSNames[0]) {
		return fmt.Errorf("%q, want one lower-case DNS name", c.DNSNames)
	}
	return nil
}

func isHost(h string) bool {
	if len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// holder: the identity extensions have the form that readers expect; whether they are true was the business of 实名.
func holder(s *subject) error {
	text := func(oid asn1.ObjectIdentifier, tag cbasn1.Tag, form func(string) bool) error {
		e, there := s.extension(oid)
		if !there {
			return nil
		}
		in := cryptobyte.String(e.value)
		var v cryptobyte.String
		if !in.ReadASN1(&v, tag) || !in.Empty() || !form(string(v)) {
			return fmt.Errorf("%v does not have the form that readers expect", oid)
		}
		return nil
	}
	return errors.Join(
		text(pki.OIDIDNumber, cbasn1.PrintableString, func(v string) bool {
			_, keyed := pki.ClearIDNumber(v).Keyed()
			return keyed || isIDNumber(v)
		}),
		text(pki.OIDUSCC, cbasn1.PrintableString, func(v string) bool {
			return len(v) == 18 && strings.Trim(v, "0123456789ABCDEFGHJKLMNPQRTUWXY") == ""
		}),
		text(s.draft.Issuer.Arc.MemberName(), cbasn1.UTF8String, func(v string) bool { return v != "" && len(v) <= 256 }),
	)
}

// isIDNumber: 17 digits and a check character (GB 11643).
func isIDNumber(v string) bool {
	return len(v) == 18 && strings.Trim(v[:17], "0123456789") == "" && strings.Trim(v[17:], "0123456789X") == ""
}

// sandbox: the mark goes from a sandbox root down to everything below it and is found nowhere else.
func sandbox(s *subject) error {
	iss := s.draft.Issuer
	marked := slices.ContainsFunc(s.cert.PolicyIdentifiers, iss.Arc.SandboxPolicy().Equal)
	named := slices.Contains(s.cert.Subject.Organization, pki.SandboxOrganization)
	switch {
	case !iss.Sandbox && iss.Arc.Documentation():
		return errors.New("the documentation arc is for sandboxes; set the operator's own")
	case marked != iss.Sandbox:
		return fmt.Errorf("sandbox policy is %v, want %v", marked, iss.Sandbox)
	case s.issuer == nil && named != iss.Sandbox:
		return fmt.Errorf("the organization %s is %v, want %v", pki.SandboxOrganization, named, iss.Sandbox)
	case s.issuer != nil && pki.IsSandbox(iss.Arc, s.issuer) != iss.Sandbox:
		return errors.New("a sandbox certifies sandbox certificates, and nothing else does")
	case named && !iss.Sandbox:
		return errors.New("the sandbox mark outside a sandbox")
	}
	return nil
}

package wire

import (
	"encoding/asn1"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Arc is the private arc under which an operator numbers what no standard numbers: policies, the member's name, the
// attributes of a request. The zero value is the arc that RFC 5612 reserves for documentation, 1.3.6.1.4.1.32473; the
// linter accepts it for sandbox certificates only, so an operator cannot go into service without a number of its own.
type Arc struct{ prefix asn1.ObjectIdentifier }

var documentationArc = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473}

// ParseArc reads a dotted number such as "1.2.156.99999". At least three components are wanted, each below 2^31, the
// first two as X.660 allows. The empty string is the documentation arc.
func ParseArc(s string) (Arc, error) {
	if s == "" {
		return Arc{}, nil
	}
	var prefix asn1.ObjectIdentifier
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || part != strconv.FormatUint(n, 10) {
			return Arc{}, fmt.Errorf("pki: %q is not an object identifier", s)
		}
		prefix = append(prefix, int(n))
	}
	if len(prefix) < 3 || prefix[0] > 2 || prefix[0] < 2 && prefix[1] > 39 {
		return Arc{}, fmt.Errorf("pki: %q is not an arc that an operator can own", s)
	}
	return Arc{prefix}, nil
}

// String returns the dotted number.
func (a Arc) String() string { return a.oid().String() }

// Documentation reports whether this is the arc of RFC 5612, which nobody may use in service.
func (a Arc) Documentation() bool { return a.oid().Equal(documentationArc) }

// Policy is the certificate policy of the operator.
func (a Arc) Policy() asn1.ObjectIdentifier { return a.oid(1, 1) }

// SandboxPolicy takes its place in a sandbox (docs/domain.md §2.5).
func (a Arc) SandboxPolicy() asn1.ObjectIdentifier { return a.oid(1, 2) }

// TSAPolicy is the policy under which timestamps are made (RFC 3161 §2.4.2).
func (a Arc) TSAPolicy() asn1.ObjectIdentifier { return a.oid(1, 3) }

// SandboxTSAPolicy takes its place in a sandbox.
func (a Arc) SandboxTSAPolicy() asn1.ObjectIdentifier { return a.oid(1, 4) }

// MemberName is the extension of an enterprise certificate that names its member, a UTF8String.
func (a Arc) MemberName() asn1.ObjectIdentifier { return a.oid(2, 1) }

// EnrolmentKey is the attribute of a certificate request (docs/split-keys.md §2.1) that holds the SM3 of the enrolment
// public key, an OCTET STRING of 32 bytes.
func (a Arc) EnrolmentKey() asn1.ObjectIdentifier { return a.oid(3, 1) }

// EncryptionKey is the attribute that holds the encryption public key Pe, an OCTET STRING of 65 bytes.
func (a Arc) EncryptionKey() asn1.ObjectIdentifier { return a.oid(3, 2) }

// Document is the signed attribute that names a document too large to be shown whole: its name, size and digest
// (docs/split-keys.md §2.9).
func (a Arc) Document() asn1.ObjectIdentifier { return a.oid(4, 1) }

// RolePolicy is the second policy of every end-entity certificate: it says which role the certificate was issued for,
// so that a platform's certificate cannot pass as the service's although their key usages are the same. The role's
// number is its last component.
func (a Arc) RolePolicy(r Role) asn1.ObjectIdentifier { return a.oid(5, int(r)) }

func (a Arc) oid(leaf ...int) asn1.ObjectIdentifier {
	prefix := a.prefix
	if prefix == nil {
		prefix = documentationArc
	}
	return slices.Concat(prefix, asn1.ObjectIdentifier(leaf))
}

// Marks reports whether a policy is a sandbox's: its own number under the arc, or any under the documentation arc.
func (a Arc) Marks(policy asn1.ObjectIdentifier) bool {
	return policy.Equal(a.SandboxPolicy()) || len(policy) >= len(documentationArc) && policy[:len(documentationArc)].Equal(documentationArc)
}

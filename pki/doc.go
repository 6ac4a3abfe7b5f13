// Package pki makes and reads SM2 certificates (数字证书), certificate requests, CRLs, OCSP answers, timestamps and
// signatures in the message syntax of GM/T 0010. Everything that carries a signature is made in two phases, because
// private keys live behind another door: first a draft gives the bytes to be signed, then Assemble takes the signature,
// verifies it and returns the finished object. Signatures are SM2-with-SM3 (GB/T 32918.2) with the identity
// 1234567812345678 of GM/T 0009, DER SEQUENCE{r,s}.
//
// The package is stateless: it opens no connection, keeps no key and asks no clock; times and randomness are arguments.
// Certificates pass through pki/lint before anybody can sign them. It is modelled on GM/T 0015, GM/T 0010, RFC 5280,
// RFC 6960 and RFC 3161; docs/ca-profiles.md has the table of profiles and object identifiers.
package pki

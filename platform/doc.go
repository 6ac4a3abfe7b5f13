// Package platform is the SDK for trading platforms (交易平台): it begins scan
// logins and signatures on the service, draws the QR code, follows the states,
// receives callbacks, and believes a result only after it has verified every
// part of it against the CA and against what this platform itself asked for
// (docs/sdk.md, docs/domain.md §1.9, docs/split-keys.md §2.9).
//
// The service is not trusted with the truth: what it says about a state is a
// hint, what counts is a signature of the holder's certificate over bytes that
// are ours. A Status therefore carries a Result only when it was verified.
//
// The package needs splitkey and pki and nothing else of this module.
package platform

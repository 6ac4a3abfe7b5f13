package splitkey

import (
	"fmt"
	"io"
)

// unlogged is embedded in what travels sealed but would test PINs in a log
// (docs/split-keys.md §3.2): it marshals, but does not print.
type unlogged struct{}

// Format implements fmt.Formatter: the value never prints.
func (unlogged) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[hidden]") }

// secret is embedded in what must not leave the process unless asked for by
// name: it neither prints nor marshals.
type secret struct{ unlogged }

// MarshalText refuses.
func (secret) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("%w: a secret is not marshalled", ErrMalformed)
}

package platform

import "time"

// Clock tells the time. Tests and the sandbox bring their own.
type Clock interface{ Now() time.Time }

// SystemClock is the machine's clock. The package is for strangers' programs and
// may import nothing of internal/, so it asks the machine itself, here and
// nowhere else.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now().UTC() }

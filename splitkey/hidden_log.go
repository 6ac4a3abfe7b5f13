//go:build !js

package splitkey

import "log/slog"

// LogValue implements slog.LogValuer: the value never reaches a log.
func (unlogged) LogValue() slog.Value { return slog.StringValue("[hidden]") }

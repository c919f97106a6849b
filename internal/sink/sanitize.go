package sink

import "github.com/ktlstop/ktlstop/internal/safe"

// Sanitize returns s with everything that could act on a terminal replaced by
// U+FFFD: controls, escape sequences, what is not UTF-8, and the characters that
// change the reading direction or have no width of their own.
func Sanitize(s string) string { return safe.String(s) }

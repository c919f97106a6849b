package doctor

import (
	"strconv"
	"strings"
)

// atLeast compares a version such as 3.0.22, 3.5-dev7 or 6.14+ with major.minor. A version
// that cannot be parsed is never high enough.
func atLeast(version string, major, minor int) bool {
	a, rest, _ := strings.Cut(version, ".")
	b := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	x, err := strconv.Atoi(a)
	if err != nil {
		return false
	}
	y, err := strconv.Atoi(b)
	return err == nil && (x > major || x == major && y >= minor)
}

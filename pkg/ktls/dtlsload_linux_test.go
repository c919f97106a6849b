package ktls

import (
	"testing"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// loadFamily loads the module in a guest, until the test's end.
func loadFamily(t testing.TB) { kmodtest.Load(t, "af_ktls") }

package loader

import (
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// pkg/event and pkg/ktls each name these (ARCHITECTURE.md, "Packages"), and must
// not drift apart.
func TestNamesOfBothLibraries(t *testing.T) {
	for n := range 256 {
		if ours, theirs := event.ContentType(n).String(), raw.ContentType(n).String(); ours != theirs {
			t.Errorf("content type %d is %q for pkg/event and %q for pkg/ktls", n, ours, theirs)
		}
		cipher := raw.Cipher(n)
		_, _, _, known := cipher.Sizes()
		if ours := event.Cipher(n).String(); known && ours != cipher.String() || !known && ours != "" {
			t.Errorf("cipher %d is %q for pkg/event and %q for pkg/ktls", n, ours, cipher)
		}
	}
}

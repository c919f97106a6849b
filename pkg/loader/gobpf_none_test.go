//go:build !gobpf

package loader

import (
	"strings"
	"testing"
)

// A build without the backend says how to get one that has it.
func TestWithoutGobpf(t *testing.T) {
	c := Config{Backend: BackendGobpf}
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "make build-gobpf") {
		t.Errorf("got %v", err)
	}
}

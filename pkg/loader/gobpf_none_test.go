//go:build !gobpf

package loader

import (
	"errors"
	"testing"
)

// A build without the backend says so by an error of its own.
func TestWithoutGobpf(t *testing.T) {
	c := Config{Backend: BackendGobpf}
	if err := c.Check(); !errors.Is(err, ErrNoGobpf) {
		t.Errorf("got %v", err)
	}
}

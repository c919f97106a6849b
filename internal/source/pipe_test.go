//go:build !windows

package source

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOpenPipe: nobody writes to it, and who opens it does not wait.
func TestOpenPipe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(fifo); err == nil || !strings.Contains(err.Error(), "not a regular file; save the recording to a file first") {
		t.Errorf("%v, want that it is not a regular file", err)
	}
}

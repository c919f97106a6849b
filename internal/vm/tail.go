package vm

import (
	"bytes"
	"io"
	"sync"
)

// tailBytes is how much of the console is kept for the error of a failed guest.
const tailBytes = 64 << 10

// A tail keeps the end of its input, and passes all of it on to also, if that is set.
type tail struct {
	also io.Writer
	mu   sync.Mutex
	buf  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.also != nil {
		t.also.Write(p) // a full disk must not stop the guest
	}
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
	}
	return len(p), nil
}

// lines returns at most the last n lines. They have only printable characters, so that a guest's
// output cannot move the reader's cursor.
func (t *tail) lines(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(bytes.Map(printable, t.buf)), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// lockup is the last soft lockup, with its stack; empty if there is none.
func (t *tail) lockup() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastLockup(string(bytes.Map(printable, t.buf)))
}

func printable(r rune) rune {
	if r >= ' ' && r != 0x7f || r == '\n' || r == '\t' {
		return r
	}
	return -1
}

package vm

import (
	"bytes"
	"io"
	"sync"
)

// tailBytes of the console are kept to be shown when a guest fails.
const tailBytes = 64 << 10

// A tail keeps the end of what is written to it, and passes all of it on to also, if that is set.
type tail struct {
	also io.Writer
	hung func() // called when a processor hangs in a breakpoint, if it is set
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
	if t.hung != nil && hangsInBreakpoint(string(t.buf)) {
		t.hung()
	}
	return len(p), nil
}

// onHang sets what is called when a processor hangs in a breakpoint. It must not wait for the writer.
func (t *tail) onHang(hung func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hung = hung
}

// lines returns at most the last n lines. Whatever a guest prints, nothing of it moves the reader's cursor.
func (t *tail) lines(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(bytes.Map(printable, t.buf)), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// diedOfBreakpoint says whether a processor met a breakpoint that the kernel knew nothing of, or hangs in one.
func (t *tail) diedOfBreakpoint() (died, hangs bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.buf, []byte("int3: 0000")), hangsInBreakpoint(string(t.buf))
}

// lockup is the last soft lockup, with its stack; empty if there is none.
func (t *tail) lockup() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := lockups(string(bytes.Map(printable, t.buf)))
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].stack()
}

func printable(r rune) rune {
	if r >= ' ' && r != 0x7f || r == '\n' || r == '\t' {
		return r
	}
	return -1
}

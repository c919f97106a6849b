package e2e

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestListHeld: the list shows the data that connections hold back.
func TestListHeld(t *testing.T) {
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	p.send(t, pattern(30, 1), 0)
	p.recvfrom(t, make([]byte, 10), unix.MSG_PEEK)
	p.send(t, pattern(123, 2), unix.MSG_MORE)
	all := list(t)
	if l := all.of(p.lport, p.rport); len(l) != 1 || l[0].Held != (held{OpenBytes: 123}) {
		t.Errorf("the sender holds %+v", l)
	}
	if l := all.of(p.rport, p.lport); len(l) != 1 || l[0].Held != (held{Unread: 1, UnreadBytes: 30}) {
		t.Errorf("the receiver holds %+v", l)
	}
	stdout, _, _ := ktlstop(t, "list")
	lines := strings.Split(stdout, "\n")
	for _, want := range []string{"tx 123 B in an open record", "rx 1 record opened and not read, 30 B"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.TrimSpace(l) == want }) {
			t.Errorf("no line %q in\n%s", want, stdout)
		}
	}
}

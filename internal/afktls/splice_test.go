package afktls

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// spliced moves at most size bytes out of a socket, through a pipe.
func spliced(t testing.TB, fd, size int) string {
	t.Helper()
	var p [2]int
	check(t, "pipe", unix.Pipe2(p[:], unix.O_CLOEXEC))
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	n := must(unix.Splice(fd, nil, p[1], nil, size, 0))(t)
	if n == 0 {
		t.Fatal("splice says the end")
	}
	b := make([]byte, n)
	return string(b[:must(unix.Read(p[0], b))(t)])
}

// TestSplicePieces: a record that is read in pieces, by splices and other readers, is reported once
// and completely; and an empty one does not end a splice.
func TestSplicePieces(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	var told []string
	for _, line := range traced(t, func() {
		b.write(t, 1, "a piece and the rest")
		b.write(t, 2, "")
		b.write(t, 3, "cut, then read")
		want("the first piece", spliced(t, b.k, 7), "a piece")
		if got := must(unix.IoctlGetInt(b.k, unix.TIOCINQ))(t); got != 13 {
			t.Errorf("FIONREAD says %d", got)
		}
		peeked := make([]byte, 100)
		n, _, _, _, err := unix.Recvmsg(b.k, peeked, nil, unix.MSG_PEEK)
		check(t, "peek", err)
		want("a look at the rest", string(peeked[:n]), " and the rest")
		want("the rest", spliced(t, b.k, 5000), " and the rest")
		want("behind the empty record", spliced(t, b.k, 3), "cut")
		wantRecv(t, b.k, []byte(", then read"))
	}) {
		if rest, ok := strings.CutPrefix(line, "deliver "); ok {
			told = append(told, strings.ReplaceAll(rest, "0x", ""))
		}
	}
	deliver := func(seq, n, flags int) string {
		return fmt.Sprintf("epoch=1 seq=%d type=23 len=%d datagram=%d flags=%d result=%d", seq, n, n+headerLen+8+16, flags, n)
	}
	want("told", strings.Join(told, "\n"), strings.Join([]string{deliver(1, 20, 1), deliver(2, 0, 1), deliver(3, 14, 0)}, "\n"))
}

// TestLateReader: a reader that holds a record while the socket is detached leaves nothing for the
// next attachment, whether it finishes before or after that.
func TestLateReader(t *testing.T) {
	load(t)
	for _, attachedFirst := range []bool{false, true} {
		b := newBench(t, aes128)
		b.write(t, 1, "of the first owner")
		p := newTrap(t)
		done := p.read(b.k, 0)
		p.wait(t)
		check(t, "detach", setOption(b.k, solKTLS, unattach, nil))
		other, wire := udpPair(t, unix.AF_INET)
		if attachedFirst {
			check(t, "bind", bind(b.k, aes128, other, 0))
		}
		p.refuse(t)
		wantErrno(t, "read", <-done, unix.EFAULT)
		if !attachedFirst {
			check(t, "bind", bind(b.k, aes128, other, 0))
		}
		wantNothing(t, b.k)
		next := bench{k: b.k, udp: other, wire: wire, rx: newSecret(aes128)}
		setRX(t, next.k, next.rx)
		next.write(t, 1, "of the second owner")
		wantRecv(t, b.k, []byte("of the second owner"))
	}
}

// TestLateReaderTraced: the record that such a reader finally gets does not belong to the next
// attachment, for tracers either.
func TestLateReaderTraced(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	b.write(t, 1, "of the first owner")
	var got string
	for _, line := range traced(t, func() {
		p := newTrap(t)
		done := p.read(b.k, 0)
		p.wait(t)
		check(t, "detach", setOption(b.k, solKTLS, unattach, nil))
		other, _ := udpPair(t, unix.AF_INET)
		check(t, "bind", bind(b.k, aes128, other, 0))
		p.release(t)
		check(t, "read", <-done)
		got = string(p.got)
	}) {
		if strings.HasPrefix(line, "deliver ") {
			t.Errorf("reported: %s", line)
		}
	}
	if got != "of the first owner" {
		t.Errorf("read %q", got)
	}
}

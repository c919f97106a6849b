package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

var receivePaths = []path{
	{name: "recvmsg of two buffers", run: func(t *testing.T, p *pair) expectation {
		b := pattern(200, 20)
		p.send(t, b, 0)
		got := [][]byte{make([]byte, 50), make([]byte, 150)}
		_, _, _, _, err := unix.RecvmsgBuffers(p.b, got, nil, 0)
		must(t, err)
		checkSame(t, bytes.Join(got, nil), b)
		return both("send", b)
	}},
	{name: "recvmmsg", run: func(t *testing.T, p *pair) expectation {
		a, b := pattern(40, 21), pattern(60, 22)
		p.send(t, a, 0)
		p.send(t, b, 0)
		p.arrived(t) // so that no call waits, which a signal would end after one message
		got, err := recvmmsg(p.b, 40, 60)
		must(t, err)
		checkSame(t, bytes.Join(got, nil), append(bytes.Clone(a), b...))
		return both("send", a, b)
	}},
	{name: "readv over many small buffers", run: func(t *testing.T, p *pair) expectation {
		b := pattern(3000, 23)
		p.send(t, b, 0)
		var bufs [][]byte
		for range 1000 {
			bufs = append(bufs, make([]byte, 3))
		}
		n, err := unix.Readv(p.b, bufs)
		must(t, err)
		checkSame(t, bytes.Join(bufs, nil)[:n], b[:n])
		p.recv(t, len(b)-n, 3000)
		return both("send", b)
	}},
	{name: "short reads", run: func(t *testing.T, p *pair) expectation {
		b := pattern(1000, 24)
		p.send(t, b, 0)
		checkSame(t, p.recv(t, 1000, 7), b)
		return both("send", b)
	}},
	{name: "several records in one call", run: func(t *testing.T, p *pair) expectation {
		a, b, c := pattern(100, 25), pattern(16384, 26), pattern(1, 27)
		for _, x := range [][]byte{a, b, c} {
			p.send(t, x, 0)
		}
		calls := p.recvAll(t, len(a)+len(b)+len(c))
		e := both("send", a, b, c)
		e.check = func(t *testing.T, p *pair, tr trace) {
			checkDeliver(t, tr.stream(p.rport, p.lport, "rx"), calls)
		}
		return e
	}},
	{name: "MSG_PEEK", run: func(t *testing.T, p *pair) expectation {
		b := pattern(80, 28)
		p.send(t, b, 0)
		buf := make([]byte, 30)
		for range 2 {
			_, _, err := unix.Recvfrom(p.b, buf, unix.MSG_PEEK)
			must(t, err)
			checkSame(t, buf, b[:30])
		}
		checkSame(t, p.recv(t, 80, 80), b)
		return both("send", b)
	}},
	{name: "a reader that sleeps", run: func(t *testing.T, p *pair) expectation {
		const pause = 200 * time.Millisecond
		b := pattern(90, 29)
		begin := time.Now()
		p.send(t, b, 0)
		p.arrived(t)
		time.Sleep(pause) // the known delay
		p.recv(t, 90, 90)
		most := time.Since(begin)
		e := both("send", b)
		e.check = func(t *testing.T, p *pair, tr trace) {
			between(t, tr.stream(p.rport, p.lport, "rx"), 0, "wait", pause, most)
		}
		return e
	}},
	{name: "MSG_WAITALL over a pause", run: func(t *testing.T, p *pair) expectation {
		const pause = 200 * time.Millisecond
		a, b := pattern(100, 30), pattern(100, 31)
		p.send(t, a, 0)
		p.arrived(t)
		sent := make(chan error, 1)
		begin := time.Now()
		go func() {
			err := p.taken()
			time.Sleep(pause) // the known delay
			sent <- errors.Join(err, unix.Send(p.a, b, 0))
		}()
		calls := p.recvAll(t, 200)
		most := time.Since(begin)
		must(t, <-sent)
		e := both("send", a, b)
		e.check = func(t *testing.T, p *pair, tr trace) {
			if calls == 1 {
				between(t, tr.stream(p.rport, p.lport, "rx"), 0, "deliver", pause, most)
			}
		}
		return e
	}},
	{name: "splice", run: func(t *testing.T, p *pair) expectation {
		b := pattern(2000, 32)
		p.send(t, b, 0)
		spliceOut(t, p, b)
		return expectation{tx: data("send", b), rx: data("splice_read", b)}
	}},
	{name: "a control record without room for its type", run: func(t *testing.T, p *pair) expectation {
		p.sendControl(t, 21, []byte{1, 0})
		if _, _, err := unix.Recvfrom(p.b, make([]byte, 10), 0); err != unix.EIO {
			t.Errorf("read: %v, want EIO", err)
		}
		alert := func(op string) []piece { return []piece{{[]byte{1, 0}, op, "alert"}} }
		return expectation{tx: alert("send"), rx: alert("recv")}
	}},
	{name: "a data record behind a control record", run: func(t *testing.T, p *pair) expectation {
		a, b := pattern(10, 33), pattern(20, 34)
		p.send(t, a, 0)
		p.sendControl(t, 22, []byte{4, 0, 0, 0})
		p.send(t, b, 0)
		checkSame(t, p.recv(t, 10, 1000), a)
		p.recvControl(t, 100)
		checkSame(t, p.recv(t, 20, 1000), b)
		records := func(op string) []piece {
			return append(append(data(op, a), piece{[]byte{4, 0, 0, 0}, op, "handshake"}), data(op, b)...)
		}
		return expectation{tx: records("send"), rx: records("recv")}
	}},
	{name: "TLS_RX_EXPECT_NO_PAD", version: "1.3", run: func(t *testing.T, p *pair) expectation {
		must(t, unix.SetsockoptInt(p.b, unix.SOL_TLS, 4, 1))
		b := pattern(600, 35)
		p.send(t, b, 0)
		checkSame(t, p.recv(t, 600, 600), b)
		return both("send", b)
	}},
	{name: "padded records", version: "1.3", run: func(t *testing.T, p *pair) expectation { return padded(t, p, false) }},
	{name: "padded records against TLS_RX_EXPECT_NO_PAD", version: "1.3", run: func(t *testing.T, p *pair) expectation { return padded(t, p, true) }},
	{name: "a bad record", run: badRecord},
	{name: "a header that is none", run: badHeader},
	{name: "a header that is none behind a record", version: "1.3", run: badHeaderBehind},
	{name: "a truncated stream", run: func(t *testing.T, p *pair) expectation {
		b := pattern(60, 36)
		p.send(t, b, 0)
		p.recv(t, 60, 60)
		must(t, unix.Shutdown(p.a, unix.SHUT_WR))
		if n, _, err := unix.Recvfrom(p.b, make([]byte, 10), 0); n != 0 || err != nil {
			t.Errorf("read %d, %v, want the end", n, err)
		}
		return both("send", b)
	}},
}

// checkDeliver: a record is delivered when its call takes up the next one, and the last one
// when the call returns, which reports how many records it opened and how long that took.
func checkDeliver(t *testing.T, rx trace, calls int) {
	t.Helper()
	var records int
	var took uint64
	for i, l := range rx {
		records++
		took += l.Lat["decrypt"] + l.Lat["deliver"]
		if l.Lat["deliver"] == 0 {
			t.Errorf("record %d was delivered in no time", i)
		}
		if l.Call.Records == 0 {
			if i == len(rx)-1 || rx[i+1].readAt() != l.Mono {
				t.Errorf("record %d ends at %d, and its call goes on to none that was taken up then", i, l.Mono)
			}
			continue
		}
		if l.Call.Records != records || l.Call.NS != took {
			t.Errorf("record %d is the last of %d, which took %d ns; its call says %+v", i, records, took, l.Call)
		}
		records, took, calls = 0, 0, calls-1
	}
	if records != 0 || calls < 0 {
		t.Errorf("%d records are of a call that did not return, %d calls too many returned", records, -calls)
	}
}

// readAt is when a reader took a record up, where that was seen.
func (l *line) readAt() uint64 { return l.Mono - l.Lat["deliver"] - l.Lat["decrypt"] }

// badRecord: the peer seals with another key. The error says which record.
func badRecord(t *testing.T, p *pair) expectation {
	a := pattern(70, 37)
	p.send(t, a, 0)
	p.recv(t, 70, 70)
	bad := pairWithWrongKey(t, p.info)
	defer bad.close()
	bad.send(t, pattern(71, 38), 0)
	if _, _, err := unix.Recvfrom(bad.b, make([]byte, 100), 0); err != unix.EBADMSG {
		t.Errorf("read: %v, want EBADMSG", err)
	}
	e := both("send", a)
	e.check = func(t *testing.T, _ *pair, tr trace) {
		want := failure{"EBADMSG", "tls_rx_one_record", 0, "application_data", comm(t)}
		checkFailure(t, tr, bad, want)
		for _, l := range tr.of(bad.rport, bad.lport).ofType("error") {
			if l.Hint.ID != "never-opened" && l.Hint.ID != "" { // gobpf may have met the connection late
				t.Errorf("hint %q", l.Hint.ID)
			}
		}
	}
	return e
}

// pairWithWrongKey returns a connection whose receiver cannot open any record.
func pairWithWrongKey(t *testing.T, info raw.CryptoInfo) *pair {
	t.Helper()
	x, y := tcpPair(t)
	other := info
	other.Key = pattern(len(info.Key), 99)
	must(t, raw.Enable(x, &other, nil))
	must(t, raw.Enable(y, nil, &info))
	return newPlainPair(t, x, y, info)
}

// badHeader: after a good record the peer sends bytes that cannot begin one. The kernel
// finds them when they arrive, outside of any call.
func badHeader(t *testing.T, p *pair) expectation {
	a := pattern(72, 39)
	p.send(t, a, 0)
	p.recv(t, 72, 72)
	x, y := tcpPair(t)
	must(t, raw.Enable(y, nil, &p.info))
	bad := newPlainPair(t, x, y, p.info)
	defer bad.close()
	tooLong := []byte{22, 3, 3, 0xff, 0xff}
	must(t, unix.Send(bad.a, append(tooLong, make([]byte, 16)...), 0))
	if _, _, err := unix.Recvfrom(bad.b, make([]byte, 100), 0); err != unix.EMSGSIZE {
		t.Errorf("read: %v, want EMSGSIZE", err)
	}
	e := both("send", a)
	e.check = func(t *testing.T, _ *pair, tr trace) {
		checkFailure(t, tr, bad, failure{"EMSGSIZE", "tls_strp_abort_strp", 0, "handshake", comm(t)})
	}
	return e
}

// badHeaderBehind: the kernel finds the bad header in the call that reads the good record,
// which is reported as usual.
func badHeaderBehind(t *testing.T, p *pair) expectation {
	x, y := tcpPair(t)
	must(t, raw.Enable(y, nil, &p.info))
	bad := newPlainPair(t, x, y, p.info)
	defer bad.close()
	b := pattern(73, 40)
	_, err := unix.Write(bad.a, append(seal13(t, p.info, 0, b, 0), 22, 3, 3, 0xff, 0xff))
	must(t, err)
	checkSame(t, bad.recv(t, len(b), 1000), b)
	if _, _, err := unix.Recvfrom(bad.b, make([]byte, 100), 0); err != unix.EMSGSIZE {
		t.Errorf("read: %v, want EMSGSIZE", err)
	}
	return expectation{checkOnly: true, check: func(t *testing.T, _ *pair, tr trace) {
		comparePieces(t, tr.stream(bad.rport, bad.lport, "rx"), data("recv", b), "rx", security{"1.3", "AES-GCM-128", "sw"})
		errs := tr.of(bad.rport, bad.lport).ofType("error")
		if len(errs) != 1 || errs[0].Errno != "EMSGSIZE" || errs[0].Seq != 1 || errs[0].Content != "handshake" {
			t.Errorf("errors %+v", errs)
		}
	}}
}

// failure is an expected error event.
type failure struct {
	errno, function string
	seq             uint64
	content, comm   string
}

// checkFailure checks that there is one error of the receiver of p, and no record.
func checkFailure(t *testing.T, tr trace, p *pair, want failure) {
	t.Helper()
	errs := tr.of(p.rport, p.lport).ofType("error")
	if len(errs) != 1 {
		t.Fatalf("%d errors: %+v", len(errs), errs)
	}
	l := errs[0]
	if got := (failure{l.Errno, l.Func, l.Seq, l.Content, l.Comm}); got != want || l.Dir != "rx" {
		t.Errorf("error %+v of %s, want %+v of rx", got, l.Dir, want)
	}
	if inCall := want.function == "tls_rx_one_record"; l.Owner == inCall || l.PID != os.Getpid() {
		t.Errorf("the error is of process %d, its owner alone: %v", l.PID, l.Owner)
	}
	if n := len(tr.stream(p.rport, p.lport, "rx")); n != 0 {
		t.Errorf("%d records opened, want none", n)
	}
}

func checkSame(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("read %d other bytes, want %d", len(got), len(want))
	}
}

// recvAll reads n bytes by one call with MSG_WAITALL, or by several if a signal of the Go
// runtime interrupts it; it returns the number of calls.
func (p *pair) recvAll(t *testing.T, n int) (calls int) {
	t.Helper()
	for buf := make([]byte, n); n > 0; calls++ {
		got := p.recvfrom(t, buf[:n], unix.MSG_WAITALL)
		if got == 0 {
			t.Fatalf("the end, %d bytes early", n)
		}
		n -= got
	}
	return calls
}

// padded: a peer in user space pads its records (RFC 8446 section 5.4). With
// TLS_RX_EXPECT_NO_PAD the kernel opens such a record twice; it is reported once all the
// same.
func padded(t *testing.T, p *pair, noPad bool) expectation {
	t.Helper()
	x, y := tcpPair(t)
	must(t, raw.Enable(y, nil, &p.info))
	q := newPlainPair(t, x, y, p.info)
	defer q.close()
	if noPad {
		must(t, unix.SetsockoptInt(q.b, unix.SOL_TLS, 4, 1))
	}
	var want [][]byte
	for seq, n := range []int{100, 1, 5000} {
		b := pattern(n, 40+seq)
		want = append(want, b)
		_, err := unix.Write(q.a, seal13(t, p.info, uint64(seq), b, 7+100*seq))
		must(t, err)
		checkSame(t, q.recv(t, n, n), b)
	}
	return expectation{checkOnly: true, check: func(t *testing.T, _ *pair, tr trace) {
		comparePieces(t, tr.stream(q.rport, q.lport, "rx"), data("recv", want...), "rx", security{"1.3", "AES-GCM-128", "sw"})
	}}
}

// seal13 makes a TLS 1.3 record of application data with padding.
func seal13(t *testing.T, info raw.CryptoInfo, seq uint64, b []byte, padding int) []byte {
	t.Helper()
	block, err := aes.NewCipher(info.Key)
	must(t, err)
	aead, err := cipher.NewGCM(block)
	must(t, err)
	nonce := append(bytes.Clone(info.Salt), info.IV...)
	for i := range 8 {
		nonce[4+i] ^= byte(seq >> (56 - 8*i))
	}
	inner := append(append(bytes.Clone(b), 23), make([]byte, padding)...)
	n := len(inner) + aead.Overhead()
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return aead.Seal(head, nonce, inner, head)
}

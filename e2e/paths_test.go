package e2e

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// path is one way to send or receive through the kernel's TLS code. It makes traffic on a
// new pair and returns the expected records.
type path struct {
	name    string
	version string // empty for both
	run     func(t *testing.T, p *pair) expectation
}

// expectation is the records of one pair.
type expectation struct {
	tx, rx []piece
	// check, if not nil, checks the rest of the trace of the pair.
	check func(t *testing.T, p *pair, tr trace)
	// checkOnly: it is not known beforehand where the kernel splits the records.
	checkOnly bool
}

// piece is one record.
type piece struct {
	b   []byte
	op  string
	typ string // empty for application data
}

func data(op string, bs ...[]byte) (out []piece) {
	for _, b := range bs {
		out = append(out, piece{b: b, op: op})
	}
	return out
}

// both expects the records as sent by op and as received by recv.
func both(op string, bs ...[]byte) expectation {
	return expectation{tx: data(op, bs...), rx: data("recv", bs...)}
}

// TestPaths uses every call that docs/design.md, "Records", names, with one tracer.
func TestPaths(t *testing.T) {
	playPaths(t, startTracer(t, "-s", "16384"), append(sendPaths, receivePaths...), trace.noLosses)
}

// kindOfPair is a kind of pairs for the paths, with a name.
type kindOfPair struct {
	name string
	security
	connect func(*testing.T) (a, b *net.TCPConn)
}

// playPaths compares what a tracer saw of the paths, over loopback.
func playPaths(t *testing.T, tr *tracer, paths []path, noLosses func(trace, *testing.T)) {
	t.Helper()
	playPathsOver(t, tr, []kindOfPair{
		{"1.2", security{"1.2", "AES-GCM-128", "sw"}, tcpPair},
		{"1.3", security{"1.3", "AES-GCM-128", "sw"}, tcpPair},
	}, paths, noLosses)
}

func playPathsOver(t *testing.T, tr *tracer, kinds []kindOfPair, paths []path, noLosses func(trace, *testing.T)) {
	type played struct {
		name string
		p    *pair
		s    security
		want expectation
	}
	var all []played
	for _, kind := range kinds {
		s := kind.security
		for _, path := range paths {
			if path.version != "" && path.version != s.Version {
				continue
			}
			// Play before all comparisons: the trace is read when everything is over.
			t.Run("play/"+kind.name+"/"+path.name, func(t *testing.T) {
				p := newPairOver(t, s, kind.connect)
				defer p.close()
				all = append(all, played{kind.name + "/" + path.name, p, s, path.run(t, p)})
			})
		}
	}
	got := tr.stop()
	noLosses(got, t)
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) {
			got.skipSkipped(t, x.p)
			if !x.want.checkOnly {
				got.compare(t, x.p.lport, x.p.rport, "tx", x.want.tx, x.s)
				got.compare(t, x.p.rport, x.p.lport, "rx", x.want.rx, x.s)
			}
			if x.want.check != nil {
				x.want.check(t, x.p, got)
			}
		})
	}
}

// alerts and handshakes are the names of the records that the tests send (RFC 8446
// sections 6 and 4).
var (
	alerts = map[[2]byte]alert{
		{1, 0}: {"warning", "close_notify"}, {2, 20}: {"fatal", "bad_record_mac"}, {1, 90}: {"warning", "user_canceled"},
	}
	handshakes = map[byte]string{4: "new_session_ticket", 24: "key_update"}
)

func comparePieces(t *testing.T, got trace, want []piece, dir string, s security) {
	t.Helper()
	compareRecords(t, got, recordsOf(want, dir, s))
}

// compare compares a direction of a connection with its pieces. As many records as the
// trace reports for skipped hooks may be without bytes.
// trace reports for skipped hooks may be without bytes.
func (tr trace) compare(t *testing.T, lport, rport int, dir string, want []piece, s security) {
	t.Helper()
	got, records := tr.stream(lport, rport, dir), recordsOf(want, dir, s)
	bare := min(tr.summary(t).Lost[unreadable], uint64(tr.summary(t).skips(unreadableHooks...)))
	for i := range min(len(got), len(records)) {
		if bare > 0 && got[i].Payload.Len == 0 && records[i].Payload.Len > 0 {
			records[i].Payload, records[i].Alert, records[i].Handshake = payload{}, got[i].Alert, got[i].Handshake
			bare--
		}
	}
	compareRecords(t, got, records)
}

func recordsOf(want []piece, dir string, s security) (records []record) {
	for _, w := range want {
		r := record{Dir: dir, Content: "application_data", Len: len(w.b), Op: w.op, TLS: s, Card: cardOf(s, dir), Payload: payload{len(w.b), w.b}}
		if w.typ != "" {
			r.Content = w.typ
		}
		switch w.typ {
		case "alert":
			r.Alert = alerts[[2]byte(w.b)]
		case "handshake":
			r.Handshake.MsgType = handshakes[w.b[0]]
		}
		if len(w.b) == 0 {
			r.Payload = payload{}
		}
		records = append(records, r)
	}
	return records
}

var sendPaths = []path{
	{name: "send", run: func(t *testing.T, p *pair) expectation {
		b := pattern(100, 1)
		p.send(t, b, 0)
		p.recv(t, 100, 100)
		return both("send", b)
	}},
	{name: "sendmsg of three buffers", run: func(t *testing.T, p *pair) expectation {
		b := pattern(300, 2)
		_, err := unix.SendmsgBuffers(p.a, [][]byte{b[:100], b[100:101], b[101:]}, nil, nil, 0)
		must(t, err)
		p.recv(t, 300, 300)
		return both("send", b)
	}},
	{name: "writev", run: func(t *testing.T, p *pair) expectation {
		b := pattern(5000, 3)
		_, err := unix.Writev(p.a, [][]byte{b[:7], b[7:4096], b[4096:]})
		must(t, err)
		p.recv(t, 5000, 5000)
		return both("send", b)
	}},
	{name: "sendmmsg of two, which kernel TLS refuses", run: func(t *testing.T, p *pair) expectation {
		if err := sendmmsg(p.a, pattern(10, 4), pattern(20, 5)); err != unix.EOPNOTSUPP {
			t.Errorf("%v, want EOPNOTSUPP", err)
		}
		return expectation{}
	}},
	{name: "sendmmsg of one", run: func(t *testing.T, p *pair) expectation {
		b := pattern(20, 5)
		must(t, sendmmsg(p.a, b))
		p.recv(t, 20, 20)
		return both("send", b)
	}},
	{name: "MSG_MORE over three calls, with a pause", run: func(t *testing.T, p *pair) expectation {
		b := pattern(30, 6)
		const pause = 150 * time.Millisecond
		begin := time.Now()
		p.send(t, b[:10], unix.MSG_MORE)
		time.Sleep(pause) // the known delay, not a wait for something
		p.send(t, b[10:20], unix.MSG_MORE)
		p.send(t, b[20:], 0)
		most := time.Since(begin)
		p.recv(t, 30, 30)
		e := both("send", b)
		e.check = func(t *testing.T, p *pair, tr trace) {
			between(t, tr.stream(p.lport, p.rport, "tx"), 0, "queue", pause, most)
		}
		return e
	}},
	{name: "more than a record", run: func(t *testing.T, p *pair) expectation {
		b := pattern(40000, 7)
		done := make(chan struct{})
		go func() { defer close(done); p.send(t, b, 0) }()
		p.recv(t, 40000, 16384)
		<-done
		e := both("send", b[:16384], b[16384:32768], b[32768:])
		return e
	}},
	{name: "record types", run: func(t *testing.T, p *pair) expectation {
		var want expectation
		for _, c := range []piece{
			{[]byte{4, 0, 0, 0}, "", "handshake"}, {[]byte{1, 90}, "", "alert"}, {[]byte{2, 20}, "", "alert"}, {[]byte{1, 0}, "", "alert"},
		} {
			id := map[string]byte{"handshake": 22, "alert": 21}[c.typ]
			p.sendControl(t, id, c.b)
			if b, typ := p.recvControl(t, 100); typ != id || !bytes.Equal(b, c.b) {
				t.Errorf("type %d, %v, want type %d, %v", typ, b, id, c.b)
			}
			want.tx, want.rx = append(want.tx, piece{c.b, "send", c.typ}), append(want.rx, piece{c.b, "recv", c.typ})
		}
		return want
	}},
	{name: "MSG_MORE closed by a control record", run: func(t *testing.T, p *pair) expectation {
		b := pattern(12, 8)
		p.send(t, b, unix.MSG_MORE)
		p.sendControl(t, 21, []byte{1, 0})
		p.recv(t, 12, 12)
		p.recvControl(t, 10)
		records := func(op string) []piece { return append(data(op, b), piece{[]byte{1, 0}, op, "alert"}) }
		return expectation{tx: records("send"), rx: records("recv")}
	}},
	{name: "MSG_ZEROCOPY, which kernel TLS refuses", run: func(t *testing.T, p *pair) expectation {
		must(t, unix.SetsockoptInt(p.a, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1))
		if err := unix.Send(p.a, pattern(100, 9), unix.MSG_ZEROCOPY); err == nil {
			p.recv(t, 100, 100)
			return both("send", pattern(100, 9))
		}
		return expectation{}
	}},
	{name: "sendfile", run: func(t *testing.T, p *pair) expectation {
		b := pattern(20000, 10)
		sendfileAndRead(t, p, b)
		return both("sendfile", b[:16384], b[16384:])
	}},
	{name: "sendfile with TLS_TX_ZEROCOPY_RO", run: func(t *testing.T, p *pair) expectation {
		must(t, unix.SetsockoptInt(p.a, unix.SOL_TLS, 3, 1))
		b := pattern(5000, 11)
		sendfileAndRead(t, p, b)
		return both("sendfile", b)
	}},
	{name: "splice from a pipe", run: func(t *testing.T, p *pair) expectation {
		b := pattern(3000, 12)
		var pipe [2]int
		must(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
		defer unix.Close(pipe[0])
		defer unix.Close(pipe[1])
		_, err := unix.Write(pipe[1], b)
		must(t, err)
		_, err = unix.Splice(pipe[0], nil, p.a, nil, len(b), 0)
		must(t, err)
		p.recv(t, len(b), len(b))
		return both("splice", b)
	}},
	{name: "io_uring", run: func(t *testing.T, p *pair) expectation {
		b := pattern(700, 13)
		must(t, uring(p.a, uringOpSend, b))
		p.recv(t, len(b), len(b))
		return expectation{tx: data("uring_send", b), rx: data("recv", b)}
	}},
	{name: "TLS_TX_MAX_PAYLOAD_LEN", run: func(t *testing.T, p *pair) expectation {
		b := pattern(2500, 14)
		// A kernel without the option (before 7.0) sends one record.
		err := unix.SetsockoptString(p.a, unix.SOL_TLS, 5, string([]byte{0xe8, 0x03})) // 1000, native order
		p.send(t, b, 0)
		p.recv(t, len(b), 1000)
		if err != nil {
			return both("send", b)
		}
		return both("send", b[:1000], b[1000:2000], b[2000:])
	}},
	{name: "closed with an open record, which is never sealed", run: func(t *testing.T, p *pair) expectation {
		p.send(t, pattern(10, 16), unix.MSG_MORE)
		return expectation{}
	}},
	{name: "disconnect", run: func(t *testing.T, p *pair) expectation {
		b := pattern(10, 17)
		p.send(t, b, 0)
		p.recv(t, 10, 10)
		// The kernel may allow it or not.
		_, _, _ = unix.RawSyscall(unix.SYS_CONNECT, uintptr(p.a), uintptr(unsafe.Pointer(&unix.RawSockaddr{Family: unix.AF_UNSPEC})), unix.SizeofSockaddrAny)
		return both("send", b)
	}},
	{name: "full socket buffer", run: fullBuffer},
	{name: "full socket buffer whose reader sleeps", version: "1.3", run: sleepingReader},
	{name: "peer resets", run: func(t *testing.T, p *pair) expectation {
		b := pattern(50, 15)
		p.send(t, b, 0)
		p.recv(t, 50, 50)
		must(t, p.conns[1].SetLinger(0))
		p.files[1].Close()
		p.conns[1].Close()
		p.until(t, unix.POLLHUP)
		if unix.Send(p.a, b, unix.MSG_NOSIGNAL) == nil {
			t.Error("sent to a peer that has gone")
		}
		return both("send", b)
	}},
}

// fullBuffer fills sockets without a reader, so that sealed records wait for room and
// reach TCP later: each is there once, with its bytes. Where TCP splits its segments
// decides whether a record finds half its room, hence buffers of different sizes.
func fullBuffer(t *testing.T, p *pair) expectation {
	type filled struct {
		p    *pair
		sent []byte
	}
	var all []filled
	for sndbuf := 16000; sndbuf <= 46000; sndbuf += 5000 {
		q := p.another(t)
		defer q.close()
		all = append(all, filled{q, fill(t, q, sndbuf)})
	}
	for _, f := range all {
		f.p.recv(t, len(f.sent), 16384)
	}
	return expectation{checkOnly: true, check: func(t *testing.T, _ *pair, tr trace) {
		for _, f := range all {
			tx, rx := tr.stream(f.p.lport, f.p.rport, "tx"), tr.stream(f.p.rport, f.p.lport, "rx")
			if !bytes.Equal(tx.payload(), f.sent) || !bytes.Equal(rx.payload(), f.sent) || len(tx) != len(rx) {
				t.Errorf("sent %d bytes, tx has %d in %d records, rx %d in %d", len(f.sent),
					len(tx.payload()), len(tx), len(rx.payload()), len(rx))
			}
		}
	}}
}

// sleepingReader: a reader sleeps while its peers' buffers are full. A record that found
// half its room is pushed only after that. Otherwise the next record waits for room
// before it is sealed.
func sleepingReader(t *testing.T, p *pair) expectation {
	const pause, size = 300 * time.Millisecond, 25 * maxRecord
	var all []*pair
	var senders, readers sync.WaitGroup
	for sndbuf := 16000; sndbuf <= 46000; sndbuf += 5000 {
		q := p.another(t)
		defer q.close()
		must(t, unix.SetsockoptInt(q.a, unix.SOL_SOCKET, unix.SO_SNDBUF, sndbuf))
		must(t, unix.SetsockoptInt(q.b, unix.SOL_SOCKET, unix.SO_RCVBUF, 20000))
		all = append(all, q)
		senders.Go(func() { q.send(t, pattern(size, 1), 0) })
	}
	waitUntilFull(t, all, 2*pause) // half of it for a sender to begin the record that finds no room
	for _, q := range all {
		readers.Go(func() { q.recv(t, size, maxRecord) })
	}
	readers.Wait()
	senders.Wait()
	return expectation{checkOnly: true, check: func(t *testing.T, _ *pair, tr trace) {
		var longest uint64
		for _, q := range all {
			var waited uint64
			for _, l := range tr.stream(q.lport, q.rport, "tx") {
				longest, waited = max(longest, l.Lat["push"]), max(waited, l.Lat["push"], l.Lat["queue"])
			}
			if waited < uint64(pause) {
				t.Errorf("port %d: no record waited longer than %v", q.lport, time.Duration(waited))
			}
		}
		if longest < uint64(pause) {
			t.Errorf("no push took longer than %v", time.Duration(longest))
		}
	}}
}

// waitUntilFull waits until sockets have had no room for a while, and their queues have not changed.
func waitUntilFull(t *testing.T, pairs []*pair, while time.Duration) {
	t.Helper()
	last, since := make([]int, len(pairs)), time.Now()
	for deadline := since.Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for i, p := range pairs {
			n, err := unix.IoctlGetInt(p.a, unix.TIOCOUTQ)
			must(t, err)
			if n == 0 || n != last[i] || ready(t, p.a, unix.POLLOUT, 0) {
				last[i], since = n, time.Now()
			}
		}
		if time.Since(since) > while {
			return
		}
	}
	t.Fatal("the sockets never filled up")
}

// fill sends without blocking until the socket takes no more.
func fill(t *testing.T, p *pair, sndbuf int) (sent []byte) {
	t.Helper()
	must(t, unix.SetsockoptInt(p.a, unix.SOL_SOCKET, unix.SO_SNDBUF, sndbuf))
	must(t, unix.SetNonblock(p.a, true))
	for i := 0; ; i++ {
		b := pattern(12000, i)
		n, err := unix.SendmsgN(p.a, b, nil, nil, 0)
		if err == unix.EAGAIN {
			return sent
		}
		must(t, err)
		sent = append(sent, b[:n]...)
	}
}

// sendfileAndRead sends b from a file while the peer reads.
func sendfileAndRead(t *testing.T, p *pair, b []byte) {
	t.Helper()
	f := fileWith(t, b)
	done := make(chan error, 1)
	go func() { done <- sendfile(p, f) }()
	p.recv(t, len(b), maxRecord)
	must(t, <-done)
}

// fileWith is an open file with the content b.
func fileWith(t *testing.T, b []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp("", "e2e")
	must(t, err)
	t.Cleanup(func() { f.Close() })
	must(t, os.Remove(f.Name()))
	_, err = f.Write(b)
	must(t, err)
	_, err = f.Seek(0, io.SeekStart)
	must(t, err)
	return f
}

// sendfile sends a whole file. If more is requested than the file has, kernels before 6.5
// leave the last record open on a card.
func sendfile(p *pair, f *os.File) error {
	st, err := f.Stat()
	for left := st.Size(); err == nil && left > 0; {
		var n int
		err = again(func() (err error) { n, err = unix.Sendfile(p.a, int(f.Fd()), nil, int(left)); return err })
		if left -= int64(n); err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return err
}

// spliceOut reads all of b through a pipe.
func spliceOut(t *testing.T, p *pair, b []byte) {
	t.Helper()
	var pipe [2]int
	must(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	var got []byte
	buf := make([]byte, 65536)
	for len(got) < len(b) {
		var n int64
		must(t, again(func() (err error) { n, err = unix.Splice(p.b, nil, pipe[1], nil, len(b)-len(got), 0); return err }))
		for n > 0 {
			k, err := unix.Read(pipe[0], buf[:n])
			must(t, err)
			got = append(got, buf[:k]...)
			n -= int64(k)
		}
	}
	checkSame(t, got, b)
}

// between checks one stage of the n-th record against a known delay and the time that all of it took.
func between(t *testing.T, tr trace, n int, stage string, least, most time.Duration) {
	t.Helper()
	if n >= len(tr) || tr[n].Lat[stage] < uint64(least) || tr[n].Lat[stage] > uint64(most) {
		t.Errorf("stage %s of record %d: want %v to %v in %+v", stage, n, least, most, tr)
	}
}

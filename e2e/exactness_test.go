package e2e

import (
	"net"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// playRekey: a KeyUpdate starts the sequence numbers anew, in a generation of its own
// (kernels from 6.14); until the new key is set, reading fails, and the trace says why.
func playRekey(t *testing.T) func(*testing.T, trace) {
	s := security{"1.3", "AES-GCM-128", "sw"}
	p := newPair(t, s)
	defer p.close()
	before, after := pattern(10, 1), pattern(20, 2)
	update := []byte{24, 0, 0, 1, 0} // KeyUpdate, update_not_requested (RFC 8446 section 4.6.3)
	p.send(t, before, 0)
	p.recv(t, 10, 10)
	p.sendControl(t, 22, update)
	p.recvControl(t, 10)
	next := p.info
	next.Key = pattern(len(next.Key), 77)
	if err := raw.SetKeys(p.conns[0], raw.TX, &next); err != nil {
		t.Skipf("this kernel has no rekey (from 6.14): %v", err)
	}
	p.send(t, after, 0)
	if _, _, err := unix.Recvfrom(p.b, make([]byte, 20), 0); err != unix.EKEYEXPIRED {
		t.Errorf("read with the old key: %v, want EKEYEXPIRED", err)
	}
	if l := list(t).of(p.rport, p.lport); len(l) != 1 || l[0].Awaited == nil {
		t.Errorf("list shows %+v, want that it waits for a key", l)
	}
	must(t, raw.SetKeys(p.conns[1], raw.RX, &next))
	checkSame(t, p.recv(t, 20, 20), after)
	return func(t *testing.T, got trace) {
		for _, dir := range []string{"tx", "rx"} {
			checkGenerations(t, got, p, dir)
		}
		expired := got.of(p.rport, p.lport).filter(func(l *line) bool { return l.Type == "error" && l.Errno == "EKEYEXPIRED" })
		checkAwaited(t, got.of(p.rport, p.lport).ofType("socket"))
		if len(expired) != 1 || expired[0].Func != "tls_sw_recvmsg" {
			t.Errorf("EKEYEXPIRED reported as %+v", expired)
		}
	}
}

// checkAwaited checks that received data waits for its key from the KeyUpdate to the
// rekey.
func checkAwaited(t *testing.T, events trace) {
	t.Helper()
	var waits, rekeys trace
	for _, l := range events {
		switch {
		case l.Dir != "rx":
		case l.State == "awaits_key":
			waits = append(waits, l)
		case l.State == "rekey":
			rekeys = append(rekeys, l)
		}
	}
	if len(waits) != 1 || len(rekeys) != 1 || rekeys[0].Awaited == nil {
		t.Fatalf("waits %+v, rekeys %+v", waits, rekeys)
	}
	if span := rekeys[0].Mono - waits[0].Mono; *rekeys[0].Awaited < span || *rekeys[0].Awaited > 2*span {
		t.Errorf("it has waited %d ns, and %d ns were reported before", *rekeys[0].Awaited, span)
	}
}

func checkGenerations(t *testing.T, got trace, p *pair, dir string) {
	t.Helper()
	lport, rport := p.lport, p.rport
	if dir == "rx" {
		lport, rport = rport, lport
	}
	type place struct {
		gen uint32
		seq uint64
	}
	var have []place
	for _, l := range got.stream(lport, rport, dir) {
		have = append(have, place{l.Gen, l.Seq})
	}
	want := []place{{0, 0}, {0, 1}, {1, 0}}
	if len(have) != 3 || have[0] != want[0] || have[1] != want[1] || have[2] != want[2] {
		t.Errorf("%s: %v, want %v", dir, have, want)
	}
	rekeys := got.of(lport, rport).filter(func(l *line) bool { return l.Type == "socket" && l.State == "rekey" && l.Dir == dir })
	if len(rekeys) != 1 {
		t.Errorf("%s: %d rekeys reported, want 1", dir, len(rekeys))
	}
}

// playCiphers: every cipher of this kernel, both versions, IPv4, IPv6 and mapped.
func playCiphers(t *testing.T) func(*testing.T, trace) {
	type played struct {
		name string
		p    *pair
		s    security
		ends ends
	}
	var all []played
	for _, version := range []string{"1.2", "1.3"} {
		for cipher := range rawCiphers {
			for network, ends := range networks {
				s := security{version, cipher, "sw"}
				a, b := ends.connect(t)
				info := rawInfo(s)
				if err := raw.Enable(a, &info, nil); err != nil {
					t.Logf("%s %s: %v", version, cipher, err)
					a.Close()
					b.Close()
					break // asking again takes a second
				}
				must(t, raw.Enable(b, nil, &info))
				p := newPlainPair(t, a, b, info)
				defer p.close()
				p.send(t, pattern(500, 5), 0)
				p.recv(t, 500, 500)
				all = append(all, played{version + " " + cipher + " " + network, p, s, ends})
			}
		}
	}
	if len(all) < 2*3*4 { // GCM twice, ChaCha20 and CCM are in every Debian kernel
		t.Errorf("only %d ciphers to test", len(all))
	}
	return func(t *testing.T, got trace) {
		for _, x := range all {
			t.Run(x.name, func(t *testing.T) {
				tx, rx := got.stream(x.p.lport, x.p.rport, "tx"), got.stream(x.p.rport, x.p.lport, "rx")
				comparePieces(t, tx, data("send", pattern(500, 5)), "tx", x.s)
				comparePieces(t, rx, data("recv", pattern(500, 5)), "rx", x.s)
				sent, received := [2]string{tx[0].Sock.Family, tx[0].Sock.LAddr}, [2]string{rx[0].Sock.Family, rx[0].Sock.LAddr}
				if sent != x.ends.client || received != x.ends.server {
					t.Errorf("from %v to %v, want %v and %v", sent, received, x.ends.client, x.ends.server)
				}
			})
		}
	}
}

// ends are the families and local addresses of both ends of a connection, as
// the trace shows them.
type ends struct {
	listen, dial   string
	client, server [2]string
}

// networks: an IPv6 socket that an IPv4 client connects to has mapped addresses.
var networks = map[string]ends{
	"IPv4":   {"127.0.0.1:0", "127.0.0.1", [2]string{"inet", "127.0.0.1"}, [2]string{"inet", "127.0.0.1"}},
	"IPv6":   {"[::1]:0", "::1", [2]string{"inet6", "::1"}, [2]string{"inet6", "::1"}},
	"mapped": {"[::]:0", "127.0.0.1", [2]string{"inet", "127.0.0.1"}, [2]string{"inet6", "::ffff:127.0.0.1"}},
}

func (e ends) connect(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	return dialPair(t, e.listen, e.dial)
}

// playManySockets opens and closes a thousand connections under the tracer: each is
// reported once, with its end.
func playManySockets(t *testing.T) func(*testing.T, trace) {
	const n = 1000
	ours := map[[2]int]bool{}
	for range n {
		p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
		ours[[2]int{p.lport, p.rport}], ours[[2]int{p.rport, p.lport}] = true, true
		p.send(t, []byte("x"), 0)
		p.recv(t, 1, 1)
		p.close()
	}
	return func(t *testing.T, got trace) {
		got = got.filter(func(l *line) bool { return ours[[2]int{l.Sock.LPort, l.Sock.RPort}] })
		state := func(s string) int {
			return len(got.filter(func(l *line) bool { return l.Type == "socket" && l.State == s }))
		}
		if o, c := state("open"), state("close"); o != 2*n || c != 2*n {
			t.Errorf("%d opened, %d closed, want %d", o, c, 2*n)
		}
		if r := len(got.ofType("record")); r != 2*n {
			t.Errorf("%d records, want %d", r, 2*n)
		}
	}
}

// playModuleStays: while the hooks are attached the module cannot be unloaded, and
// afterwards nothing holds it.
func playModuleStays(t *testing.T) func(*testing.T, trace) {
	if out, err := exec.Command("rmmod", "tls").CombinedOutput(); err == nil {
		t.Errorf("rmmod tls succeeded: %s", out)
	}
	return func(t *testing.T, _ trace) {
		if n := tlsReferences(t); n != "0" {
			t.Errorf("the module tls still has %s users", n)
		}
	}
}

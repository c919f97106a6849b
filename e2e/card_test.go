package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/tlsnic"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// In these tests a card is a simulated one (kmod/tlsnic).

// cardIn is the field tls.card of a line, which few have.
func cardIn(t *testing.T, line []byte) string {
	t.Helper()
	if !bytes.Contains(line, []byte(`"card":`)) {
		return ""
	}
	var l struct {
		TLS struct {
			Card string `json:"card"`
		} `json:"tls"`
	}
	must(t, json.Unmarshal(line, &l))
	return l.TLS.Card
}

// cardOf is that field of a record of a card without faults.
func cardOf(s security, dir string) string {
	if s.Mode == "hw" && dir == "rx" {
		return "all"
	}
	return ""
}

// TestCardPaths sends and receives over a card in each way that software supports too.
func TestCardPaths(t *testing.T) {
	cable := tlsnic.Lay(t)
	over := func(v6 bool) func(t *testing.T) (a, b *net.TCPConn) {
		return func(t *testing.T) (a, b *net.TCPConn) { return cable.Connect(t, v6) }
	}
	cardBefore(t, cable)
	tr := startTracer(t, "-s", "16384")
	playPathsOver(t, tr, []kindOfPair{
		{"IPv4", security{"1.2", "AES-GCM-128", "hw"}, over(false)},
		{"IPv6", security{"1.2", "AES-GCM-256", "hw"}, over(true)},
	}, slices.Concat(sendPaths, receivePaths), trace.noLosses)
}

// cardPair is a connection over the cable with keys for both directions at both ends; a is A's.
func cardPair(t *testing.T, cable *tlsnic.Cable, s tlsnic.Setting) *pair {
	t.Helper()
	a, b := cable.Connect(t, s.V6)
	cable.Arm(t, s, a, b)
	p := newPlainPair(t, a, b, raw.CryptoInfo{})
	t.Cleanup(p.close)
	return p
}

// cardBefore opens a connection that a tracer finds: it then attaches the hooks for cards before it
// is ready.
func cardBefore(t *testing.T, cable *tlsnic.Cable) { cardPair(t, cable, gcm128) }

// turned is the same connection, whose other end sends.
func (p *pair) turned() *pair {
	q := *p
	q.a, q.b, q.lport, q.rport = p.b, p.a, p.rport, p.lport
	return &q
}

// sendEach sends messages of some sizes one after the other and reads each; they are records of their own.
func (p *pair) sendEach(t *testing.T, sizes ...int) (said []piece) {
	t.Helper()
	for i, n := range sizes {
		b := pattern(n, i)
		p.send(t, b, 0)
		checkSame(t, p.recv(t, n, n), b)
		said = append(said, piece{b: b, op: "send"})
	}
	return said
}

// received are the peer's records, as they arrive.
func received(sent []piece) (all []piece) {
	for _, p := range sent {
		p.op = "recv"
		all = append(all, p)
	}
	return all
}

// cards are the card fields of the records that arrived at p, in order.
func (tr trace) cards(p *pair) (all []string) {
	for _, l := range tr.stream(p.rport, p.lport, "rx") {
		all = append(all, l.TLS.Mode+" "+l.Card)
	}
	return all
}

// cardEvents are the socket events about the card of one end, the last first.
func (tr trace) cardEvents(lport, rport int) trace {
	all := tr.of(lport, rport).filter(func(l *line) bool { return l.State == "card" })
	slices.Reverse(all)
	return all
}

var gcm128 = tlsnic.Setting{Cipher: raw.AES128GCM}

// TestCardLife: connections that are older than the trace, whose card has one direction, whose card goes away.
func TestCardLife(t *testing.T) {
	cable := tlsnic.Lay(t)
	left := cardPair(t, cable, gcm128)
	left.sendEach(t, 10)
	cable.A.Down(t)
	cable.A.Up(t)
	old := cardPair(t, cable, gcm128)
	old.sendEach(t, 10, 20, 30)
	all := list(t)
	if len(all) != 4 {
		t.Errorf("list shows %d ends of two connections: %+v", len(all), all)
	}
	for _, l := range all {
		want := "hw"
		if l.Sock.LPort == left.lport {
			want = "sw"
		}
		if l.TX.Mode != want || l.RX.Mode != want {
			t.Errorf("list shows %s and %s, want %s", l.TX.Mode, l.RX.Mode, want)
		}
	}
	tr := startTracer(t, "-s", "16384")
	playScenes(t, tr, []scene{
		{"its card went before", func(t *testing.T) func(*testing.T, trace) { return playLeft(t, left) }},
		{"opened before", func(t *testing.T) func(*testing.T, trace) { return playOlder(t, old) }},
		{"both directions", func(t *testing.T) func(*testing.T, trace) { return playBothWays(t, cable) }},
		{"one direction", func(t *testing.T) func(*testing.T, trace) { return playOneDirection(t, cable) }},
		{"TLS 1.3", func(t *testing.T) func(*testing.T, trace) {
			return playSoftware(t, cable, tlsnic.Setting{Cipher: raw.AES128GCM, Version: 0x0304})
		}},
		{"a cipher that no card takes", func(t *testing.T) func(*testing.T, trace) {
			return playSoftware(t, cable, tlsnic.Setting{Cipher: raw.ChaCha20Poly1305})
		}},
		{"the card goes", func(t *testing.T) func(*testing.T, trace) { return playCardGoes(t, cable) }},
	})
}

// playLeft: the card of this end was gone when the trace began, which is reported once.
func playLeft(t *testing.T, p *pair) func(*testing.T, trace) {
	sent := p.sendEach(t, 100, 5000)
	return func(t *testing.T, got trace) {
		got.compare(t, p.lport, p.rport, "tx", sent, security{"1.2", "AES-GCM-128", "sw"})
		news := got.cardEvents(p.lport, p.rport)
		gone := news.filter(func(l *line) bool { return l.Offload.Gone && l.TX.Mode == "sw" && l.RX.Mode == "sw" })
		if len(gone) == 0 || len(gone) != len(news) {
			t.Errorf("of a card that has gone before is reported %+v", news)
		}
	}
}

func playOlder(t *testing.T, p *pair) func(*testing.T, trace) {
	sent := p.sendEach(t, 100, 5000, 16384)
	back := p.turned().sendEach(t, 7)
	return func(t *testing.T, got trace) {
		hw := security{"1.2", "AES-GCM-128", "hw"}
		got.compare(t, p.lport, p.rport, "tx", sent, hw)
		got.compare(t, p.rport, p.lport, "rx", received(sent), hw)
		got.compare(t, p.rport, p.lport, "tx", back, hw)
		got.compare(t, p.lport, p.rport, "rx", received(back), hw)
		found := got.of(p.lport, p.rport).filter(func(l *line) bool { return l.State == "found" })
		if len(found) != 1 || found[0].TX.Mode != "hw" || found[0].RX.Mode != "hw" || found[0].TX.Next != 3 {
			t.Errorf("found as %+v", found)
		}
		if first := got.stream(p.lport, p.rport, "tx"); len(first) == 0 || first[0].Seq != 3 {
			t.Errorf("three records are older than the trace, which begins with %+v", first)
		}
	}
}

// playBothWays: the open events say who seals; the close has both totals, and the last records
// sent.
func playBothWays(t *testing.T, cable *tlsnic.Cable) func(*testing.T, trace) {
	p := cardPair(t, cable, gcm128)
	sent := p.sendEach(t, 1, 2, 3)
	p.sendControl(t, 21, []byte{1, 0})
	p.recvControl(t, 10)
	p.send(t, pattern(33, 1), unix.MSG_MORE)
	p.close()
	return func(t *testing.T, got trace) {
		for _, l := range got.of(p.lport, p.rport).ofType("socket") {
			switch {
			case l.State == "open" && l.Dir == "tx" && l.TX.Mode == "hw", l.State == "open" && l.Dir == "rx" && l.RX.Mode == "hw":
			case l.State == "close":
				want := totals{Records: uint64(len(sent) + 1), Bytes: 1 + 2 + 3 + 2}
				if l.Totals["tx"] != want || l.TX.Next != want.Records || l.UnsentBytes != 33 || !l.CloseNotify["tx"] {
					t.Errorf("closed as %+v", l)
				}
			case l.State == "card":
			default:
				t.Errorf("a card's connection is reported as %+v", l)
			}
		}
	}
}

// playOneDirection: if a card only seals, software opens the received records, and the other way
// round.
func playOneDirection(t *testing.T, cable *tlsnic.Cable) func(*testing.T, trace) {
	var pairs []*pair
	var sent [][]piece
	for _, feature := range []string{tlsnic.RX, tlsnic.TX} {
		cable.A.Feature(t, feature, false)
		cable.B.Feature(t, feature, false)
		p := cardPair(t, cable, gcm128)
		pairs, sent = append(pairs, p), append(sent, p.sendEach(t, 10, 3000))
		cable.A.Feature(t, feature, true)
		cable.B.Feature(t, feature, true)
	}
	return func(t *testing.T, got trace) {
		for i, p := range pairs {
			modes := [2]string{"hw", "sw"}
			if i == 1 {
				modes = [2]string{"sw", "hw"}
			}
			got.compare(t, p.lport, p.rport, "tx", sent[i], security{"1.2", "AES-GCM-128", modes[0]})
			got.compare(t, p.rport, p.lport, "rx", received(sent[i]), security{"1.2", "AES-GCM-128", modes[1]})
			opens := map[string]int{}
			for _, l := range got.of(p.lport, p.rport).filter(func(l *line) bool { return l.State == "open" }) {
				opens[l.Dir+" "+map[string]side{"tx": l.TX, "rx": l.RX}[l.Dir].Mode]++
			}
			if want := map[string]int{"tx " + modes[0]: 1, "rx " + modes[1]: 1}; !maps.Equal(opens, want) {
				t.Errorf("opened as %v, want %v", opens, want)
			}
		}
	}
}

// playSoftware: software handles a connection that no card takes, over a card too, and each
// direction's open is reported once.
func playSoftware(t *testing.T, cable *tlsnic.Cable, setting tlsnic.Setting) func(*testing.T, trace) {
	p := cardPair(t, cable, setting)
	sent := p.sendEach(t, 10, 3000)
	return func(t *testing.T, got trace) {
		s := security{"1.2", setting.Cipher.String(), "sw"}
		if setting.Version == 0x0304 {
			s.Version = "1.3"
		}
		got.compare(t, p.lport, p.rport, "tx", sent, s)
		got.compare(t, p.rport, p.lport, "rx", received(sent), s)
		if opens := got.of(p.rport, p.lport).filter(func(l *line) bool { return l.State == "open" }); len(opens) != 2 {
			t.Errorf("opened %d times: %+v", len(opens), opens)
		}
	}
}

// playCardGoes: A's card is set down during a connection. Then A's software seals and opens, B's
// card continues, and each record is reported once.
func playCardGoes(t *testing.T, cable *tlsnic.Cable) func(*testing.T, trace) {
	p := cardPair(t, cable, gcm128)
	sizes := []int{100, 5000, 1}
	before, back := p.sendEach(t, sizes...), p.turned().sendEach(t, sizes...)
	cable.A.Down(t)
	cable.A.Up(t)
	after, backAfter := p.sendEach(t, sizes...), p.turned().sendEach(t, sizes...)
	return func(t *testing.T, got trace) {
		hw, sw := security{"1.2", "AES-GCM-128", "hw"}, security{"1.2", "AES-GCM-128", "sw"}
		half := func(lport, rport int, dir string, last bool) trace {
			all := got.stream(lport, rport, dir)
			if len(all) != 2*len(sizes) {
				t.Fatalf("%d records %s, want %d", len(all), dir, 2*len(sizes))
			}
			if last {
				return all[len(sizes):]
			}
			return all[:len(sizes)]
		}
		for _, c := range []struct {
			p        *pair
			dir      string
			pieces   [2][]piece
			security [2]security
		}{
			{p, "tx", [2][]piece{before, after}, [2]security{hw, sw}},
			{p.turned(), "tx", [2][]piece{back, backAfter}, [2]security{hw, hw}},
			{p.turned(), "rx", [2][]piece{received(before), received(after)}, [2]security{hw, hw}},
			{p, "rx", [2][]piece{received(back), received(backAfter)}, [2]security{hw, sw}},
		} {
			for i, last := range []bool{false, true} {
				comparePieces(t, half(c.p.lport, c.p.rport, c.dir, last), c.pieces[i], c.dir, c.security[i])
			}
		}
		news := got.cardEvents(p.lport, p.rport)
		if len(news) == 0 || !news[0].Offload.Gone || news[0].TX.Mode != "sw" || news[0].RX.Mode != "sw" || news[0].Offload.Fallback == 0 {
			t.Errorf("of A's card is reported %+v", news)
		}
		gone := slices.IndexFunc(got, func(l line) bool { return l.Offload.Gone })
		first := slices.IndexFunc(got, func(l line) bool { return l.Type == "record" && l.TLS == sw && l.Sock.LPort == p.lport })
		if gone < 0 || first < 0 || gone > first {
			t.Errorf("that it is gone is line %d, the first record of software %d", gone, first)
		}
	}
}

// TestCardFirst: for the first connection that a card has in a trace, each record is reported once
// while the hooks for cards are attached; after that the records that the card opened are reported
// too.
func TestCardFirst(t *testing.T) {
	onOneKernel(t)
	cable := tlsnic.Lay(t)
	tr := startTracer(t, "-s", "16384")
	var p *pair
	var sent []piece
	tr.stopped(func() { // so that it cannot attach them before the first record
		p = cardPair(t, cable, gcm128)
		sent = p.sendEach(t, 10, 5000)
	})
	tr.waitFor(func() bool {
		sent = append(sent, p.sendEach(t, 10, 5000)...)
		return slices.Contains(tr.lines().cards(p), "hw all")
	})
	p.close()
	got := tr.stop()
	got.noLosses(t)
	got.compareBytes(t, p, sent)
	if cards := got.cards(p); cards[0] != "hw " {
		t.Errorf("what the card did of the first record is known too soon to show anything: %q", cards)
	}
	opens := got.of(p.rport, p.lport).filter(func(l *line) bool { return l.State == "open" })
	if len(opens) != 2 || opens[1].TX.Mode != "hw" || opens[1].RX.Mode != "hw" {
		t.Errorf("opened as %+v", opens)
	}
	for _, l := range got.stream(p.lport, p.rport, "tx")[:2] {
		if l.Lat["queue"] != 0 || l.Lat["total"] != 0 {
			t.Errorf("a begin that nobody saw: %+v", l)
		}
	}
}

// TestCardFaults: with any fault of the card or on the cable, each record is reported once, with
// its bytes, and the card's part in it; and the counts match the card's own.
func TestCardFaults(t *testing.T) {
	onEnds(t)
	cable := tlsnic.Lay(t)
	for _, e := range []*tlsnic.End{cable.A, cable.B} {
		e.Feature(t, tlsnic.TSO, false) // then packets, some of which the card leaves, are not records
	}
	cardBefore(t, cable)
	tr := startTracer(t, "-s", "16384")
	var scenes []scene
	for _, f := range cardFaults {
		scenes = append(scenes, scene{string(f.fault), func(t *testing.T) func(*testing.T, trace) { return playFault(t, cable, f) }})
	}
	playScenes(t, tr, scenes)
}

// cardFault is a fault of every n-th packet to B, or for Miss from A, and its expected effects.
type cardFault struct {
	fault tlsnic.Fault
	every int
	cards []string // that records at B must have, besides all
	sends bool     // the sender's card loses its place
}

var cardFaults = []cardFault{
	{tlsnic.Leave, 3, []string{"hw none", "hw part"}, false},
	{tlsnic.Lose, 9, []string{"hw none"}, false},
	{tlsnic.Drop, 11, nil, true},
	{tlsnic.Reorder, 9, nil, false},
	{tlsnic.Miss, 11, nil, true},
}

func playFault(t *testing.T, cable *tlsnic.Cable, f cardFault) func(*testing.T, trace) {
	p := cardPair(t, cable, gcm128)
	before, resyncs := cable.A.Counters(t), cable.B.Stat(t)["TlsRxDeviceResync"]
	if f.fault == tlsnic.Miss {
		cable.Fault(t, f.fault, f.every, 0)
	} else {
		cable.Fault(t, f.fault, 0, f.every)
	}
	defer cable.Fault(t, f.fault, 0, 0)
	var sizes []int
	for i := range 40 {
		sizes = append(sizes, []int{1, 1000, 5000, 100}[i%4])
	}
	sent := p.sendEach(t, sizes...)
	cable.Fault(t, f.fault, 0, 0)
	p.close() // the card and its namespace count only this connection: there is no other
	counted := func(name string) uint64 { return cable.A.Counters(t)[name] - before[name] }
	fallback, asked := counted("tx_tls_fallback_packets"), counted("tx_tls_resync_req")
	told := cable.B.Stat(t)["TlsRxDeviceResync"] - resyncs
	return func(t *testing.T, got trace) {
		got.compareBytes(t, p, sent)
		cards := got.cards(p)
		for _, want := range f.cards {
			if !slices.Contains(cards, want) {
				t.Errorf("no record says %q: %v", want, cards)
			}
		}
		t.Logf("%v, fallback %d, resyncs asked %d, told %d", cards, fallback, asked, told)
		sender, receiver := offload{Resyncs: map[string]uint64{"tx": 0}}, offload{Resyncs: map[string]uint64{"rx": 0}}
		if news := got.cardEvents(p.lport, p.rport); len(news) > 0 {
			sender = news[0].Offload
		}
		if news := got.cardEvents(p.rport, p.lport); len(news) > 0 {
			receiver = news[0].Offload
		}
		if sender.Fallback != fallback || sender.Resyncs["tx"] != asked || receiver.Resyncs["rx"] != told {
			t.Errorf("the sender's card: %+v, the receiver's: %+v", sender, receiver)
		}
		if f.sends && sender.Fallback == 0 {
			t.Error("packets were sent again, and none is reported as the kernel's")
		}
	}
}

// compareBytes compares the records that p sent, one by one, at both ends.
func (tr trace) compareBytes(t *testing.T, p *pair, sent []piece) {
	t.Helper()
	for dir, records := range map[string]trace{"tx": tr.stream(p.lport, p.rport, "tx"), "rx": tr.stream(p.rport, p.lport, "rx")} {
		if len(records) != len(sent) {
			t.Errorf("%d records %s, want %d", len(records), dir, len(sent))
			continue
		}
		for i, l := range records {
			if l.Seq != uint64(i) || l.Len != len(sent[i].b) || !bytes.Equal(l.Payload.Data, sent[i].b) {
				t.Errorf("record %d %s has sequence %d and %d bytes, or others than %d", i, dir, l.Seq, l.Len, len(sent[i].b))
			}
		}
	}
}

// TestCardCorrupt: the kernel refuses a record whose tag is wrong.
func TestCardCorrupt(t *testing.T) {
	onEnds(t)
	cable := tlsnic.Lay(t)
	cardBefore(t, cable)
	tr := startTracer(t)
	p := cardPair(t, cable, gcm128)
	p.sendEach(t, 100)
	cable.Fault(t, tlsnic.Corrupt, 0, 1)
	p.send(t, pattern(200, 1), 0)
	if _, _, err := unix.Recvfrom(p.b, make([]byte, 300), 0); err != unix.EBADMSG {
		t.Errorf("read: %v, want EBADMSG", err)
	}
	cable.Fault(t, tlsnic.Corrupt, 0, 0)
	p.close()
	got := tr.stop()
	got.noLosses(t)
	if n := len(got.stream(p.rport, p.lport, "rx")); n != 1 {
		t.Errorf("%d records were opened, want 1", n)
	}
	errs := got.of(p.rport, p.lport).ofType("error")
	if len(errs) != 1 || errs[0].Errno != "EBADMSG" || errs[0].Seq != 1 || errs[0].Func != "tls_rx_one_record" {
		t.Errorf("errors %+v", errs)
	}
}

// TestDoctorCard: a connection that a card takes is shown as the card's, and one that it refused as
// software's, with the reason.
func TestDoctorCard(t *testing.T) {
	onEnds(t)
	cable := tlsnic.Lay(t)
	w := startWatchBy(t, func(cmd *exec.Cmd) (err error) {
		cable.A.Do(t, func() { err = cmd.Start() }) // doctor examines the cards of its own namespace
		return err
	})
	taken := cardPair(t, cable, gcm128)
	refused := cardPair(t, cable, tlsnic.Setting{Cipher: raw.AES128GCM, Version: 0x0304})
	d := w.end(t)
	if skips := d.takeSkips(); skips > 0 {
		t.Skipf("the kernel skipped the hooks of %d calls, which is reported: any of this may not have been seen", skips)
	}
	for p, mode := range map[*pair]string{taken: "hw", refused: "sw"} {
		if c := d.end(t, true, p.lport); c.TX.Mode != mode || c.RX.Mode != mode || slices.Contains(c.Why, "KT024") != (mode == "sw") {
			t.Errorf("%+v, want both directions %s", c, mode)
		}
	}
	if !slices.ContainsFunc(d.Findings, func(f finding) bool {
		return f.ID == "KT024" && f.Comm == comm(t) && f.PID == os.Getpid() && strings.Contains(f.Says, "the network card refused it with ")
	}) {
		t.Errorf("no finding says that the card refuses: %+v", d.Findings)
	}
}

// TestCardUnsent: records for the card to seal that TCP never had completely.
func TestCardUnsent(t *testing.T) {
	cable := tlsnic.Lay(t)
	cardBefore(t, cable)
	tr := startTracer(t, "-s", "64")
	var pairs []*pair
	for _, d := range unsentCases {
		p := cardPair(t, cable, gcm128)
		d.kill(t, p)
		p.close()
		pairs = append(pairs, p)
	}
	got := tr.stop()
	got.noLosses(t)
	for i, d := range unsentCases {
		if d.errors > 0 { // each further call is refused, and all after the first are reported together
			d.errors = 2
		}
		t.Run(d.name, func(t *testing.T) { checkUnsent(t, got, pairs[i], d) })
	}
}

// TestCardSums: the dashboards' sums, with stages and without, match the trace; --match finds a
// card's records.
func TestCardSums(t *testing.T) {
	onOneWithEachChange(t)
	cable := tlsnic.Lay(t)
	first := cardPair(t, cable, gcm128) // for which the hooks for cards are attached
	tr := startTracer(t)
	matched := startTracer(t, "--match", "mode == hw and dir == tx or card == all")
	none := startTracer(t, "--match", "card in (part, none)")
	dashes := map[string]*tracer{"stages on": startDashboard(t, "-d", "200ms"), "stages off": startDashboard(t, "-d", "200ms", "--stages", "off")}
	waitForCards(t, first, tr, dashes)
	p := cardPair(t, cable, tlsnic.Setting{Cipher: raw.AES256GCM, V6: true})
	p.sendEach(t, 1, 100, 16384, 40000, 5000)
	p.turned().sendEach(t, 20)
	for i := range 100 { // more than those whose stages are all measured
		p.sendEach(t, 10+i)
	}
	got := tr.stop()
	got.noLosses(t)
	var n uint64
	for _, l := range got.ofType("record") {
		if l.TLS.Mode != "hw" || l.Card != cardOf(l.TLS, l.Dir) {
			t.Errorf("a record over the card is %+v", l)
		}
		n++
	}
	if all := matched.stop().summary(t).Records; all["tx"]+all["rx"] != n {
		t.Errorf("--match finds %v records of %d", all, n)
	}
	if all := none.stop().summary(t).Records; all["tx"]+all["rx"] != 0 {
		t.Errorf("--match finds %v records that no card has opened", all)
	}
	for about, dash := range dashes {
		snaps := dash.stopDashboard()
		t.Run(about, func(t *testing.T) {
			checkAddsUp(t, got, snaps[len(snaps)-1])
			if have := lastRow(snaps, p.lport, p.rport, "tx"); have == nil || have.Records != 107 || have.Lat.Count == 0 {
				t.Errorf("the dashboard shows %+v", have)
			}
		})
	}
}

// waitForCards sends on a connection until all tracers report the whole time of its records: they
// attach the hooks for cards when they see the first one.
func waitForCards(t *testing.T, p *pair, tr *tracer, dashes map[string]*tracer) {
	t.Helper()
	for _, dash := range dashes {
		dash.waitFor(func() bool {
			p.sendEach(t, 30)
			row := lastRow(dash.snapshots(), p.lport, p.rport, "tx")
			return row != nil && row.Lat.Count > 0
		})
	}
	tr.waitFor(func() bool {
		p.sendEach(t, 30)
		return slices.ContainsFunc(tr.lines().stream(p.lport, p.rport, "tx"), func(l line) bool { return l.Lat["push"] > 0 })
	})
}

package e2e

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

var dtlsSecurity = security{"DTLS1.2", "AES-GCM-128", "sw"}

// startDTLS starts a tracer before the module is loaded, loads it, and returns when the tracer
// reports that it has found it.
func startDTLS(t *testing.T, args ...string) *tracer {
	t.Helper()
	tr := startTracer(t, args...)
	loadAFKTLS(t)
	tr.waitFor(func() bool { return strings.Contains(tr.stderr.String(), "af_ktls was loaded") })
	return tr
}

func loadAFKTLS(t *testing.T) {
	t.Helper()
	kmodtest.Load(t, "af_ktls")
}

// TestDTLS: records in both directions, by all calls, byte by byte, in a run that began before the
// module was loaded, and a dashboard beside it that counts them.
func TestDTLS(t *testing.T) {
	tr := startDTLS(t, "-s", "16384")
	dash := startDashboard(t, "-d", "1s")
	p := newDTLSPair(t)
	p.attachB(t)
	big, file := pattern(9000, 3), pattern(5000, 4)
	want := dtlsExchange(t, p, big, file)
	got, snaps := tr.stop(), dash.stopDashboard()
	checkAddsUp(t, got, snaps[len(snaps)-1])
	dtlsCompare(t, got.stream(p.lport, p.rport, "tx"), want.tx)
	dtlsCompare(t, got.stream(p.rport, p.lport, "rx"), want.rx)
	got.noLosses(t)
	if a := got.invariants(t, maxRecord); a.pairs != len(want.tx) {
		t.Errorf("%d records were compared with their peer's, want %d", a.pairs, len(want.tx))
	}
	if open := got.filter(func(l *line) bool { return l.Type == "socket" && l.State == "open" && l.Sock.LPort == p.lport }); len(open) != 2 {
		t.Errorf("%d opens of one socket, want one for each direction", len(open))
	}
}

// dtlsExchange sends by each call, and reads by each.
func dtlsExchange(t *testing.T, p *dtlsPair, big, file []byte) (want struct{ tx, rx []piece }) {
	t.Helper()
	sent := func(b []byte, op, typ string) {
		want.tx = append(want.tx, piece{b: b, op: op, typ: typ})
	}
	read := func(b []byte) {
		t.Helper()
		buf := make([]byte, 1<<16)
		n, _, _, _, err := unix.Recvmsg(p.b, buf, make([]byte, 64), 0)
		must(t, err)
		checkSame(t, buf[:n], b)
		want.rx = append(want.rx, piece{b: b, op: "recv"})
	}
	for _, b := range [][]byte{pattern(1, 1), pattern(100, 2), big} {
		_, err := unix.SendmsgN(p.a, b, nil, nil, 0)
		must(t, err)
		sent(b, "send", "")
		read(b)
	}
	_, err := unix.SendmsgN(p.a, big[:500], nil, nil, unix.MSG_MORE)
	must(t, err)
	_, err = unix.SendmsgN(p.a, big[500:700], nil, nil, 0)
	must(t, err)
	sent(big[:700], "send", "")
	read(big[:700])
	f := fileWith(t, file)
	_, err = unix.Sendfile(p.a, int(f.Fd()), nil, len(file))
	must(t, err)
	sent(file, "sendfile", "")
	read(file)
	must(t, unix.Sendmsg(p.a, []byte{1, 0}, recordType(21), nil, 0))
	sent([]byte{1, 0}, "send", "alert")
	read([]byte{1, 0})
	want.rx[len(want.rx)-1].typ = "alert"
	return want
}

func dtlsCompare(t *testing.T, got trace, want []piece) {
	t.Helper()
	dir := "rx"
	if len(got) > 0 {
		dir = got[0].Dir
	}
	for i := range got {
		if got[i].Epoch == nil || *got[i].Epoch != 1 || got[i].Datagram <= got[i].Len {
			t.Errorf("%s record %d has the epoch %v and a datagram of %d bytes", dir, got[i].Seq, got[i].Epoch, got[i].Datagram)
		}
	}
	comparePieces(t, got, want, dir, dtlsSecurity)
}

// TestDTLSDrops: records that arrive and are not read are reported by reason, and none of them as a
// record.
func TestDTLSDrops(t *testing.T) {
	tr := startDTLS(t)
	onOneCPU(t) // where datagrams arrive in the order in which they are sent
	p := newDTLSPair(t)
	raw := make([][]byte, 3)
	for i := range raw { // sent, as if without af_ktls on the other side
		_, err := unix.SendmsgN(p.a, pattern(100, i), nil, nil, 0)
		must(t, err)
		raw[i] = make([]byte, 2000)
		n, _, err := unix.Recvfrom(p.ub, raw[i], 0)
		must(t, err)
		raw[i] = raw[i][:n]
	}
	p.attachB(t)
	inject := func(b []byte) { must(t, unix.Send(p.ua, b, 0)) }
	inject(raw[1])
	inject(raw[1]) // a replay
	inject(raw[1]) // another
	forged := slices.Clone(raw[0])
	forged[len(forged)-1] ^= 1
	inject(forged)
	inject(raw[0]) // late, and valid like any
	other := slices.Clone(raw[2])
	other[4] = 9 // its epoch
	inject(other)
	for range 2 {
		_, _, err := unix.Recvfrom(p.b, make([]byte, 2000), 0)
		must(t, err)
	}
	inject(raw[2])
	if !ready(t, p.b, unix.POLLIN, patience) {
		t.Fatal("the last record does not arrive")
	}
	must(t, unix.Close(p.b)) // and no reader
	got := tr.stop()
	counts := map[string]uint64{}
	for _, l := range got.ofType("dropped") {
		counts[l.Reason] += l.Count
		if l.Sock.LPort != p.rport || l.TLS != dtlsSecurity {
			t.Errorf("dropped: %+v", l)
		}
	}
	want := map[string]uint64{"replay": 2, "bad_tag": 1, "other_epoch": 1, "unread": 1}
	for reason, n := range want {
		if counts[reason] != n {
			t.Errorf("%d dropped as %s, want %d", counts[reason], reason, n)
		}
	}
	if len(counts) != len(want) {
		t.Errorf("dropped %v, want %v", counts, want)
	}
	var seqs []uint64
	for _, l := range got.stream(p.rport, p.lport, "rx") {
		seqs = append(seqs, l.Seq)
	}
	if !slices.Equal(seqs, []uint64{2, 1}) {
		t.Errorf("received the records %v, want 2 and then 1", seqs)
	}
	if n := got.summary(t).Dropped; n != 5 {
		t.Errorf("the summary has %d dropped, want 5", n)
	}
	got.checkComplete(t)
	got.invariants(t, 0)
}

// TestDTLSFound: connections that are older than the trace are listed, and their records reported
// from their current number on.
func TestDTLSFound(t *testing.T) {
	loadAFKTLS(t)
	p := newDTLSPair(t)
	p.attachB(t)
	for range 3 {
		_, err := unix.SendmsgN(p.a, pattern(10, 1), nil, nil, 0)
		must(t, err)
	}
	tr := startTracer(t, "--match", `proto == dtls and not payload contains "no such bytes"`)
	for range 2 {
		_, err := unix.SendmsgN(p.a, pattern(10, 1), nil, nil, 0)
		must(t, err)
	}
	for range 5 {
		_, _, err := unix.Recvfrom(p.b, make([]byte, 2000), 0)
		must(t, err)
	}
	got := tr.stop()
	got.noLosses(t)
	got.invariants(t, 0)
	found := got.filter(func(l *line) bool { return l.Type == "socket" && l.State == "found" })
	if len(found) != 2 || found[0].TX.Version != "DTLS1.2" || found[0].PID != os.Getpid() {
		t.Errorf("found %+v", found)
	}
	tx, rx := got.stream(p.lport, p.rport, "tx"), got.stream(p.rport, p.lport, "rx")
	if len(tx) != 2 || tx[0].Seq != 4 || len(rx) != 5 || rx[0].Seq != 1 {
		t.Errorf("%d sent, %d received", len(tx), len(rx))
	}
	out, _, _ := run(t, []string{program}, "list", "--match", "proto == dtls")
	if n := strings.Count(out, "DTLS1.2"); n < 2 {
		t.Errorf("list shows DTLS %d times:\n%s", n, out)
	}
}

// TestDTLSBytes: the plaintexts in a capture file, as datagrams of UDP, through a socket filter, and as inspect shows them.
func TestDTLSBytes(t *testing.T) {
	onOneKernel(t)
	loadAFKTLS(t)
	// ip proto 17, as tcpdump -ddd prints it.
	const udp = "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 17,6 0 0 262144,6 0 0 0"
	all := startCommands(t, [][]string{
		{"trace", "-s", "16384", "-o", "pcapng"},
		{"trace", "-s", "16384", "-o", "json", "--cbpf", udp},
		{"inspect", "-o", "json"},
	})
	p := newDTLSPair(t)
	p.attachB(t)
	want := []string{"hello", "a line of text\n", "Authorization: Basic c2VjcmV0\r\n"}
	for _, text := range want {
		must(t, unix.Send(p.a, []byte(text), 0))
		_, _, err := unix.Recvfrom(p.b, make([]byte, 2000), 0)
		must(t, err)
	}
	must(t, unix.Sendmsg(p.a, []byte{1, 0}, recordType(21), nil, 0)) // which no packet carries
	for _, tr := range all {
		must(t, tr.cmd.Process.Signal(os.Interrupt))
		tr.wait()
	}
	if got := udpPayloads(t, all[0].file, p.lport, p.rport); !slices.Equal(got, want) {
		t.Errorf("the capture has %q, want %q", got, want)
	}
	for i, tr := range all[1:] {
		got := tr.read()
		sent := got.stream(p.lport, p.rport, "tx").data()
		if len(sent) != len(want) {
			t.Fatalf("%s: %d records, want %d", tr.cmd.Args[1], len(sent), len(want))
		}
		for n, text := range want {
			shown := string(sent[n].Payload.Data)
			if masked := i == 1 && n == 2; masked && strings.Contains(shown, "c2VjcmV0") || !masked && shown != text {
				t.Errorf("%s shows %q of %q", tr.cmd.Args[1], shown, text)
			}
		}
	}
}

// udpPayloads are the plaintexts that one end sent to another, each once, in a capture file.
func udpPayloads(t *testing.T, file string, from, to int) (all []string) {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	must(t, err)
	for {
		frame, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		must(t, err)
		u, ok := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeUDP).(*layers.UDP)
		if ok && int(u.SrcPort) == from && int(u.DstPort) == to {
			all = append(all, string(u.Payload))
		}
	}
}

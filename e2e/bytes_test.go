package e2e

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/tlsnic"
)

// TestBytesOfCardAndDTLS: records that a network card sealed, and datagrams, as tcpdump shows
// them on the tap, tshark in its file, and inspect as text.
func TestBytesOfCardAndDTLS(t *testing.T) {
	onOneKernel(t)
	cable := tlsnic.Lay(t)
	loadAFKTLS(t)
	file := filepath.Join(t.TempDir(), "tap.pcapng")
	tp := startTap(t, "ktls0", "-w", file)
	look := startCommand(t, "inspect")
	dump := startWatcher(t, tp, "tcpdump", "-A", "-n", "-U", "-l", "-i", "ktls0")
	const request, answer, packet = "GET /over/a/card HTTP/1.1\r\nHost: card.example\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "a line in a datagram\n"
	p := cardPair(t, cable, gcm128)
	p.speak(t, request)
	p.turned().speak(t, answer)
	d := newDTLSPair(t)
	d.attachB(t)
	must(t, unix.Send(d.a, []byte(packet), 0))
	_, _, err := unix.Recvfrom(d.b, make([]byte, 2000), 0)
	must(t, err)
	tp.waitFor(func() bool { return strings.Contains(dump.output(t), strings.TrimSpace(packet)) })
	must(t, dump.cmd.Process.Signal(syscall.SIGINT))
	waitFor(t, dump.cmd)
	for _, want := range []string{"GET /over/a/card HTTP/1.1", "HTTP/1.1 200 OK", fmt.Sprintf(".%d > 127.0.0.1.%d: UDP, length %d\n", d.lport, d.rport, len(packet))} {
		if got := strings.Count(dump.output(t), want); got != 1 {
			t.Errorf("tcpdump shows %q %d times in\n%s", want, got, dump.output(t))
		}
	}
	must(t, tp.cmd.Process.Signal(os.Interrupt))
	tp.wait()
	if !strings.Contains(tp.stderr.String(), "lost: nothing") {
		t.Errorf("ktlstop said %s", &tp.stderr)
	}
	look.wrote("    GET /over/a/card HTTP/1.1\n", "HTTP/1.1 GET card.example/over/a/card ", "> 200 ", "    a line in a datagram\n", " DTLS1.2 AES-GCM-128 sw ", " 1.2 AES-GCM-128 hw ", "lost: nothing\n")
	out, err := exec.Command(need(t, "tshark"), "-n", "-r", file, "-Y", "udp or tcp.len > 0", "-T", "fields", "-E", "separator=|",
		"-e", "udp.dstport", "-e", "tcp.dstport", "-e", "udp.payload", "-e", "tcp.payload", "-e", "frame.comment").Output()
	must(t, err)
	packets := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(packets) != 3 {
		t.Errorf("tshark reads %d packets with bytes, want 3:\n%s", len(packets), out)
	}
	for _, want := range []struct{ begin, comment string }{
		{fmt.Sprintf("|%d||%x|", p.rport, request), " mode=hw "},
		{fmt.Sprintf("|%d||%x|", p.lport, answer), " mode=hw "},
		{fmt.Sprintf("%d||%s||", d.rport, hex.EncodeToString([]byte(packet))), " epoch=1 seq=1 "},
	} {
		if !slices.ContainsFunc(packets, func(l string) bool { return strings.HasPrefix(l, want.begin) && strings.Contains(l, want.comment) }) {
			t.Errorf("tshark does not show %q with %q in\n%s", want.begin, want.comment, out)
		}
	}
}

// speak sends text as a record of its own, and reads it at the other end.
func (p *pair) speak(t *testing.T, text string) {
	t.Helper()
	p.send(t, []byte(text), 0)
	checkSame(t, p.recv(t, len(text), len(text)), []byte(text))
}

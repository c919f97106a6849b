package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// gobpfProgram is the program built by make build-gobpf.
const gobpfProgram = "../bin/ktlstop-gobpf"

// withoutTypes runs a command on a kernel whose type information is hidden.
var withoutTypes = []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"`}

// gobpfMissing knows what the gobpf backend reports as missing.
func gobpfMissing(missing string) bool {
	return slices.ContainsFunc([]string{"tls_encrypt_done:", "tls_decrypt_done:", "inventory:", "socket cookies:", "TLS_RX_EXPECT_NO_PAD:", "network cards:", "expressions in the kernel:"},
		func(known string) bool { return strings.HasPrefix(missing, known) })
}

// byGobpf starts a ktlstop that has only the gobpf backend, on the oldest and on the
// newest kernel.
func byGobpf(t *testing.T) []string {
	t.Helper()
	onlyOn(t, "6.1", "7.3")
	return append(slices.Clone(withoutTypes), gobpfProgram)
}

// TestGobpfPaths tests the same calls as TestPaths, with kprobes and without type
// information: auto chooses the backend.
func TestGobpfPaths(t *testing.T) {
	tr := startBy(t, byGobpf(t), "trace", "-o", "json", "-s", "16384")
	paths := slices.DeleteFunc(slices.Concat(sendPaths, receivePaths), func(p path) bool {
		return p.name == "readv over many small buffers" // more than the programs can copy: LIMITATIONS.md
	})
	playPaths(t, tr, paths, func(got trace, t *testing.T) {
		for _, c := range got.summary(t).Cost {
			if c.Skipped > 0 {
				t.Logf("the kernel skipped %s %d times", c.Program, c.Skipped)
			}
		}
		got.noLossesBut(t, gobpfMissing)
	})
	if !strings.Contains(tr.stderr.String(), "attached by kprobes") {
		t.Errorf("not the gobpf backend: %s", &tr.stderr)
	}
	leavesNoProbes(t)
}

// TestGobpfFilters: --match, evaluated in user space, and a socket filter that
// gobpf loads and attaches.
func TestGobpfFilters(t *testing.T) {
	tr := startBy(t, byGobpf(t), "trace", "-o", "json", "-s", "64", "--match", "dir == tx and len < 100",
		"--socket-filter", "../bin/examples/http_requests.o")
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	for _, text := range []string{"GET /short HTTP/1.1\r\n\r\n", "220 mail ESMTP\r\n", "GET /long" + strings.Repeat("g", 200), "POST /last HTTP/1.1\r\n\r\n"} {
		p.send(t, []byte(text), 0)
		p.recv(t, len(text), len(text))
	}
	got := tr.stop()
	got.checkCompleteExcept(t, gobpfMissing)
	var seen []string
	for _, l := range got.ofType("record") {
		seen = append(seen, string(l.Payload.Data))
	}
	if want := []string{"GET /short HTTP/1.1\r\n\r\n", "POST /last HTTP/1.1\r\n\r\n"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
	if s := got.summary(t); s.Unmatched != 6 { // two that were sent, and all that were received
		t.Errorf("%d unmatched", s.Unmatched)
	}
}

// TestGobpfDashboard: without sums in the kernel it adds the events up.
func TestGobpfDashboard(t *testing.T) {
	dash := startDashboardBy(t, byGobpf(t), "-d", "200ms")
	p := newPair(t, security{"1.2", "AES-GCM-256", "sw"})
	defer p.close()
	for i, n := range []int{1, 100, 16384} {
		p.send(t, pattern(n, i), 0)
		p.recv(t, n, n)
	}
	p.sendControl(t, 21, []byte{1, 0})
	p.recvControl(t, 10)
	snaps := dash.stopDashboard()
	last := snaps[len(snaps)-1]
	want := totals{Records: 4, Bytes: 1 + 100 + 16384 + 2}
	if last.TX.totals != want || last.RX.totals != want || last.Lost != 0 {
		t.Errorf("got %+v, want %+v", last, want)
	}
	times := uint64(0)
	for _, c := range last.Conns {
		times += c.TX.Lat.Count + c.RX.Lat.Count
	}
	if times != 8 {
		t.Errorf("%d of 8 records have times: %+v", times, last.Conns)
	}
	leavesNoProbes(t)
}

// TestGobpfRefuses: it reports in one line what it cannot do.
func TestGobpfRefuses(t *testing.T) {
	command := byGobpf(t)
	for _, args := range [][]string{{"list"}, {"trace", "--match", `payload contains "x"`}, {"trace", "--backend", "ebpf"}} {
		stdout, stderr, status := run(t, command, args...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "ktlstop: ") || strings.Count(stderr, "\n") != 1 ||
			!strings.Contains(stderr, "type information") {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
	leavesNoProbes(t)
}

// leavesNoProbes checks that the probes, which gobpf registers by name, are removed.
func leavesNoProbes(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile("/sys/kernel/debug/tracing/kprobe_events")
	must(t, err)
	if len(b) > 0 {
		t.Errorf("probes are left:\n%s", b)
	}
}

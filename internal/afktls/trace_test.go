package afktls

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// traceFS mounts tracefs and returns its place.
func traceFS(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	check(t, "mount tracefs", unix.Mount("tracefs", dir, "tracefs", 0, ""))
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	return dir
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	check(t, "write "+name, os.WriteFile(name, []byte(text), 0))
}

// traced returns the tracepoints hit by fn, each as name, fields and result, without times and
// cookies.
func traced(t testing.TB, fn func()) (lines []string) {
	t.Helper()
	dir := traceFS(t)
	writeFile(t, filepath.Join(dir, "trace"), "")
	writeFile(t, filepath.Join(dir, "events/af_ktls/enable"), "1")
	fn()
	writeFile(t, filepath.Join(dir, "events/af_ktls/enable"), "0")
	for line := range strings.Lines(string(must(os.ReadFile(filepath.Join(dir, "trace")))(t))) {
		if _, event, ok := strings.Cut(line, ": afktls_"); ok {
			name, fields, _ := strings.Cut(strings.TrimSpace(event), ": cookie=")
			_, fields, _ = strings.Cut(fields, " ")
			lines = append(lines, name+" "+fields)
		}
	}
	return lines
}

// TestTracepoints: every record is reported, from the first byte to the reader or to its drop.
func TestTracepoints(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	b := bench{k: socket(t, afKTLS, unix.SOCK_DGRAM), udp: udp, wire: wire, tx: newSecret(chacha), rx: newSecret(chacha)}
	got := traced(t, func() {
		check(t, "bind", bind(b.k, 0, udp, 0))
		setTX(t, b.k, b.tx)
		setRX(t, b.k, b.rx)
		send(t, b.k, []byte("hello"), 0)
		b.write(t, 1, "one")
		b.write(t, 1, "one")
		wantRecv(t, b.k, []byte("one"))
		forged := b.rx.seal(t, epoch1|2, appData, []byte("two"))
		forged[20] ^= 1
		send(t, wire, forged, 0)
		send(t, wire, header(handshake, dtls12, 0, 0), 0)
		b.write(t, 3, "unread")
		check(t, "detach", setOption(b.k, solKTLS, unattach, nil))
	})
	record := func(seq, kind, n int) string {
		return fmt.Sprintf("epoch=1 seq=%d type=%d len=%d datagram=%d flags=0 result=", seq, kind, n, n+29)
	}
	want := []string{
		"attach version=0xfefd cipher=0", "key tx epoch=1 seq=1", "key rx epoch=1 seq=1",
		"tx_record " + record(1, 23, 5) + "0", "tx_push " + record(1, 23, 5) + "0",
		"rx_record " + record(1, 23, 3) + "0", "drop " + record(1, 23, 3) + "1", "deliver " + record(1, 23, 3) + "3",
		"rx_record " + record(2, 23, 3) + "-74", "drop " + record(2, 23, 3) + "3",
		"drop epoch=0 seq=0 type=22 len=0 datagram=13 flags=0 result=4",
		"rx_record " + record(3, 23, 6) + "0", "drop " + record(3, 23, 6) + "9",
		"detach version=0xfefd cipher=54",
	}
	if strings.ReplaceAll(strings.Join(got, "\n"), "0x0", "0") != strings.Join(want, "\n") {
		t.Errorf("traced\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestHooks: the functions that a tracer attaches to can be traced, and the module has type
// information.
func TestHooks(t *testing.T) {
	load(t)
	check(t, "type information", unix.Access("/sys/kernel/btf/af_ktls", unix.R_OK))
	have := map[string]bool{}
	for line := range strings.Lines(string(must(os.ReadFile(filepath.Join(traceFS(t), "available_filter_functions")))(t))) {
		if strings.HasSuffix(line, " [af_ktls]\n") {
			have[strings.Fields(line)[0]] = true
		}
	}
	for _, name := range []string{"attach", "key", "tx_record", "tx_push", "rx_record", "drop", "deliver", "detach"} {
		if !have["afktls_"+name] {
			t.Errorf("afktls_%s cannot be traced", name)
		}
	}
}

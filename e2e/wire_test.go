package e2e

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
)

// TestTapNginx taps nginx for tcpdump and tshark at once. tshark reassembles, live and
// from the pcapng file, what curl received.
func TestTapNginx(t *testing.T) {
	onOneWithEachChange(t)
	dir := t.TempDir()
	body := pattern(123457, 3)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "file"), body, 0o644))
	p := startNginx(t, dir)
	file := filepath.Join(dir, "tap.pcapng")
	tp := startTap(t, "ktls0", "--comm", "nginx", "-w", file)
	dump := startWatcher(t, tp, "tcpdump", "-A", "-n", "-U", "-l", "-i", "ktls0", fmt.Sprintf("tcp port %d", p))
	// With a request's first bytes the HTTP dissector itself sees which version it is.
	shark := startWatcher(t, tp, "tshark", append([]string{"-l", "-i", "ktls0"}, follow(p)...)...)
	var heads [2][]byte
	for i, version := range []string{"--http1.1", "--http2"} {
		heads[i] = fetch(t, dir, p, body, version)
	}
	dump.ends(t, tp, "Flags [F.]")
	shark.ends(t, tp, "[FIN, ACK]")
	must(t, tp.cmd.Process.Signal(os.Interrupt))
	tp.wait()
	if !strings.Contains(tp.stderr.String(), "lost: nothing") {
		t.Errorf("ktlstop said %s", &tp.stderr)
	}
	for _, want := range []string{"GET /file HTTP/1.1", "HTTP/1.1 200 OK", "PRI * HTTP/2.0"} {
		if !strings.Contains(dump.output(t), want) {
			t.Errorf("tcpdump did not show %q", want)
		}
	}
	checkFollowed(t, shark.output(t), heads[0], body)
	checkFile(t, file, p, heads[0], body)
}

// fetch gets the file by curl, and returns the head of the answer.
func fetch(t *testing.T, dir string, port int, body []byte, version string) []byte {
	t.Helper()
	out := filepath.Join(dir, "out")
	// TLS 1.2: OpenSSL 3.0 receives 1.3 in user space, and no request would be seen.
	cmd := exec.Command(need(t, "curl"), "-sSk", version, "--tlsv1.2", "--tls-max", "1.2", "-D", out+".head", "-o", out,
		fmt.Sprintf("https://127.0.0.1:%d/file", port))
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("curl %s: %v: %s", version, err, b)
	}
	got, err := os.ReadFile(out)
	must(t, err)
	if !bytes.Equal(got, body) {
		t.Fatalf("curl %s got %d other bytes", version, len(got))
	}
	head, err := os.ReadFile(out + ".head")
	must(t, err)
	return head
}

// wireWatcher is a program that watches an interface.
type wireWatcher struct {
	cmd  *exec.Cmd
	file string
}

// startWatcher starts a program and returns when it has a packet socket more
// than there were on the interface.
func startWatcher(t *testing.T, tp *tapped, name string, args ...string) *wireWatcher {
	t.Helper()
	w := &wireWatcher{cmd: exec.Command(need(t, name), args...), file: filepath.Join(t.TempDir(), "out")}
	out, err := os.Create(w.file)
	must(t, err)
	defer out.Close()
	w.cmd.Stdout = out
	before := packetSockets(t, tp.name)
	start(t, w.cmd)
	tp.waitFor(func() bool { return packetSockets(t, tp.name) > before })
	return w
}

// packetSockets counts those on an interface that receive.
func packetSockets(t *testing.T, name string) (n int) {
	t.Helper()
	index, err := os.ReadFile("/sys/class/net/" + name + "/ifindex")
	must(t, err)
	b, err := os.ReadFile("/proc/net/packet")
	must(t, err)
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		f := strings.Fields(sc.Text()) // sk, references, type, protocol, interface, running ...
		if len(f) > 5 && f[4] == strings.TrimSpace(string(index)) && f[5] == "1" {
			n++
		}
	}
	return n
}

func (w *wireWatcher) output(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(w.file)
	must(t, err)
	return string(b)
}

// ends waits for the ends of two connections, each of two directions, and then
// ends the watcher.
func (w *wireWatcher) ends(t *testing.T, tp *tapped, fin string) {
	t.Helper()
	tp.waitFor(func() bool { return strings.Count(w.output(t), fin) >= 4 })
	must(t, w.cmd.Process.Signal(syscall.SIGINT))
	waitFor(t, w.cmd)
}

// follow makes tshark show the bytes of the first connection, and of the first
// stream of HTTP/2 in the second.
func follow(port int) []string {
	return []string{"-n", "-d", fmt.Sprintf("tcp.port==%d,http", port), "-z", "follow,tcp,raw,0", "-z", "follow,http2,raw,1,1"}
}

// checkFollowed compares what tshark reassembled with what curl received.
func checkFollowed(t *testing.T, output string, head, body []byte) {
	t.Helper()
	if got := bytes.Join(answer(t, output, "Follow: tcp,raw"), nil); !bytes.Equal(got, slices.Concat(head, body)) {
		t.Errorf("HTTP/1.1: tshark followed %d bytes, curl got %d", len(got), len(head)+len(body))
	}
	if got := frameData(answer(t, output, "Follow: http2,raw")); !bytes.Equal(got, body) {
		t.Errorf("HTTP/2: tshark followed %d bytes, curl got %d", len(got), len(body))
	}
	for _, want := range []string{"GET /file HTTP/1.1", "HTTP/1.1 200 OK", "HEADERS[1]: GET /file", "HEADERS[1]: 200 OK"} {
		if !strings.Contains(output, want) {
			t.Errorf("tshark does not show %q in\n%.6000s", want, output)
		}
	}
}

// answer is the server's side of a stream that tshark followed: lines of
// hexadecimal digits that begin with a tab.
func answer(t *testing.T, output, title string) (lines [][]byte) {
	t.Helper()
	_, output, _ = strings.Cut(output, title)
	output, _, _ = strings.Cut(output, "====")
	for _, l := range strings.Split(output, "\n") {
		if data, ok := strings.CutPrefix(l, "\t"); ok {
			raw, err := hex.DecodeString(strings.TrimSpace(data))
			must(t, err)
			lines = append(lines, raw)
		}
	}
	return lines
}

// frameData is what the DATA frames hold (RFC 9113 section 4.1), each of them a
// line. The line of the headers is no frame, and its length is not that of one.
func frameData(lines [][]byte) (data []byte) {
	for _, l := range lines {
		if len(l) >= 9 && l[3] == 0 && len(l) == 9+(int(l[0])<<16|int(l[1])<<8|int(l[2])) {
			data = append(data, l[9:]...)
		}
	}
	return data
}

// checkFile reads what -w wrote: a private file whose packets tshark
// understands and whose comments name the process.
func checkFile(t *testing.T, name string, port int, head, body []byte) {
	t.Helper()
	st, err := os.Stat(name)
	must(t, err)
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", st.Mode().Perm())
	}
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	must(t, err)
	i, err := r.Interface(0)
	must(t, err)
	if !strings.Contains(i.Description, "tier snap") {
		t.Errorf("interface %+v", i)
	}
	_, _, opts, err := r.ReadPacketDataWithOptions()
	for err == nil && !strings.HasPrefix(opts.Comments[0], `comm="nginx" pid=`) {
		_, _, opts, err = r.ReadPacketDataWithOptions()
	}
	must(t, err)
	out, err := exec.Command("tshark", append([]string{"-r", name}, follow(port)...)...).Output()
	must(t, err)
	checkFollowed(t, string(out), head, body)
}

// TestSocketFilters: a filter lets through what it should, and nothing else.
func TestSocketFilters(t *testing.T) {
	onOneWithEachChange(t)
	numbers, err := exec.Command(need(t, "tcpdump"), "-y", "EN10MB", "-ddd", "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420").Output() // "GET "
	must(t, err)
	messages := []string{"GET / HTTP/1.1\r\n\r\n", "no request at all", "POST / HTTP/1.1\r\n\r\n", "name=x&passWord=y",
		"-----BEGIN PRIVATE KEY-----", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "GET"}
	common := []string{"-o", "json", "-s", "16384", "--dir", "tx"}
	cases := []struct {
		name, command string
		args          []string
		pass          []int
	}{
		{"classic", "trace", []string{"--cbpf", string(numbers)}, []int{0}},
		{"http", "inspect", []string{"--socket-filter", "../bin/examples/http_requests.o"}, []int{0, 2}},
		{"suspicious", "trace", []string{"--socket-filter", "../bin/examples/suspicious.o:suspicious"}, []int{3, 4, 5}},
		{"all, a byte", "trace", []string{"--cbpf", "1,6 0 0 1"}, []int{0, 1, 2, 3, 4, 5, 6}},
	}
	var commands [][]string
	for _, c := range cases {
		commands = append(commands, slices.Concat([]string{c.command}, common, c.args))
	}
	tracers := startCommands(t, commands)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	for _, m := range messages {
		p.send(t, []byte(m), 0)
		p.recv(t, len(m), len(m))
	}
	p.sendControl(t, 22, []byte("GET "))
	p.recvControl(t, 100)
	p.close()
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := tracers[i].stop()
			var want, passed []string
			for _, i := range c.pass {
				want = append(want, messages[i])
			}
			for _, l := range got.ofType("record") {
				passed = append(passed, string(l.Payload.Data))
			}
			if strings.Join(passed, "|") != strings.Join(want, "|") {
				t.Errorf("passed %q, want %q", passed, want)
			}
			if n := got.summary(t).Records["tx"]; int(n) != len(want) || len(got.ofType("lost")) != 0 {
				t.Errorf("the summary counts %d records, %d losses", n, len(got.ofType("lost")))
			}
		})
	}
}

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain lets the test's program be ktlstop itself.
func TestMain(m *testing.M) {
	if os.Getenv("KTLSTOP_TEST_RUN") != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestWrongCommandLines(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--frobnicate"}, {"frobnicate"}, {"trace", "x"}, {"trace", "-o", "xml"}, {"trace", "-s", "16385"},
		{"trace", "--sample", "0"}, {"trace", "--sample", "some"}, {"trace", "--sample", "9", "-w", "x.pcapng"}, {"trace", "--max-cpu", "0"},
		{"tap", "ktls0", "--sample", "9"}, {"trace", "-s", "-1"}, {"trace", "-p", "0"}, {"trace", "-p", "x"}, {"trace", "--dir", "up"},
		{"trace", "--uid", "nobody-of-that-name"}, {"trace", "--netns", "nowhere"}, {"trace", "--port", "0"},
		{"trace", "--port", "65536"}, {"trace", "--ring-bytes", "5000"}, {"trace", "--duration", "soon"},
		{"trace", "--comm", ""}, {"trace", "--uid", ""}, {"trace", "--cgroup", ""}, {"trace", "--netns", "0"}, {"trace", "--dir", ""},
		{"trace", "--backend", ""}, {"trace", "--backend", "bcc"},
		{"gen", "-n", "0"}, {"gen", "-s", "0"}, {"gen", "--tls", "1.1"}, {"gen", "--cipher", "rc4"},
		{"gen", "--dir", "up"}, {"gen", "--listen", ":0", "--connect", ":0"}, {"list", "-o", "yaml"}, {"list", "-o", "pcapng"},
		{"tap"}, {"tap", "a b"}, {"tap", "all"}, {"tap", "ktls0", "x"}, {"tap", "ktls0", "-s", "0"}, {"tap", "ktls0", "--tap-netns", ""},
		{"tap", "ktls0", "--mtu", "575"}, {"tap", "ktls0", "-C", "1"}, {"tap", "ktls0", "-w", "-", "-G", "1"},
		{"inspect", "-w", "x.pcapng"}, {"inspect", "--no-redact", "--format", "hex", "-w", "x.pcapng"}, {"inspect", "--cbpf", "tcp"},
		{"trace", "--mtu", "1500"}, {"trace", "-w", "x.pcapng", "--mtu", "65536"}, {"trace", "-C", "1"}, {"trace", "-w", "x.json", "-C", "1"},
		{"trace", "-w", "x.pcapng", "-C", "-1"}, {"trace", "-w", "x.pcapng", "-W", "3"}, {"trace", "-w", "%Q.pcapng", "-G", "1"},
		{"trace", "-s", "1", "--cbpf", ""}, {"trace", "-s", "1", "--cbpf", "tcp"}, {"trace", "--cbpf", "1,6 0 0 1"},
		{"trace", "-s", "1", "--cbpf", "1,6 0 0 1", "--socket-filter", "x.o"}, {"trace", "-s", "1", "--socket-filter", ""},
		{"gen", "-s", "5..4"}, {"gen", "-s", "exp:x"}, {"gen", "--op", "write"}, {"gen", "--fault", "fire"}, {"gen", "--alert-every", "-1"},
		{"gen", "--rekey-every", "1", "--tls", "1.2"}, {"gen", "--rekey-every", "1", "--dir", "tx"}, {"gen", "--list-records"},
		{"gen", "--listen", ":0", "--rounds", "1"}, {"gen", "--sendfile", "--op", "splice"},
		{"bench", "--sizes", "0"}, {"bench", "--sizes", "1kb"}, {"bench", "--ways", "pigeon"}, {"bench", "--max-bytes", "0"},
		{"bench", "--duration", "0s"}, {"bench", "-o", "xml"}, {"bench", "--tls", "1.1"}, {"bench", "--repeat", "0"},
		{"inspect", "--format", "xml"}, {"inspect", "--redact", "("}, {"inspect", "--redact", "x*"}, {"inspect", "-s", "0"},
		{"inspect", "-o", "json", "--format", "hex"}, {"inspect", "--no-redact", "--redact", "x"}, {"inspect", "-w", "x.pcapng"},
	} {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(self, args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "KTLSTOP_TEST_RUN=1"), &stdout, &stderr
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if status := cmd.ProcessState.ExitCode(); status != 2 || stdout.Len() != 0 ||
			!strings.HasPrefix(stderr.String(), "ktlstop: ") || strings.Count(stderr.String(), "\n") != 2 {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, &stdout, &stderr)
		}
	}
}

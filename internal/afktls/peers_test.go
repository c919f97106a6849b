package afktls

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A program is one side of a conversation.
type program struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu     sync.Mutex
	output bytes.Buffer // both streams
	grown  chan struct{}
}

// Write gets the program's output.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(b)
	select {
	case p.grown <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// start starts a program that ends with the test.
func start(t testing.TB, name string, args ...string) *program {
	t.Helper()
	p := &program{name: filepath.Base(name) + " " + strings.Join(args, " "), cmd: exec.Command(name, args...), grown: make(chan struct{}, 1)}
	p.stdin = must(p.cmd.StdinPipe())(t)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	check(t, "start "+name, p.cmd.Start())
	t.Cleanup(func() {
		p.stdin.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	return p
}

// wait waits until the program has printed something.
func (p *program) wait(t testing.TB, want string) {
	t.Helper()
	timeout := time.After(patience)
	for !strings.Contains(p.text(), want) {
		select {
		case <-p.grown:
		case <-timeout:
			t.Fatalf("%s did not print %q but:\n%s", p.name, want, p.text())
		}
	}
}

func (p *program) say(t testing.TB, line string) {
	t.Helper()
	_, err := io.WriteString(p.stdin, line+"\n")
	check(t, "write to "+p.name, err)
}

// freePort is a port that is free at the moment.
func freePort(t testing.TB) string {
	t.Helper()
	c := must(net.ListenPacket("udp", "127.0.0.1:0"))(t)
	defer c.Close()
	return fmt.Sprint(c.LocalAddr().(*net.UDPAddr).Port)
}

func dtlscat(t testing.TB) string {
	t.Helper()
	name := must(filepath.Abs("../../bin/dtlscat"))(t)
	if _, err := os.Stat(name); err != nil {
		t.Fatal("no bin/dtlscat: run make dtlscat")
	}
	return name
}

const psk = "1a2b3c4d5e6f"

// suites are the names of the ciphers in GnuTLS and in OpenSSL.
var suites = []struct{ gnutls, openssl string }{
	{"AES-128-GCM", "PSK-AES128-GCM-SHA256"}, {"AES-256-GCM", "PSK-AES256-GCM-SHA384"}, {"CHACHA20-POLY1305", "PSK-CHACHA20-POLY1305"},
}

// TestPeers: AF_KTLS below GnuTLS's handshake, as client and as server, with OpenSSL and with GnuTLS at the other end.
func TestPeers(t *testing.T) {
	load(t)
	cat := dtlscat(t)
	for _, s := range suites {
		t.Run("client/OpenSSL/"+s.gnutls, func(t *testing.T) {
			port := freePort(t)
			peer := start(t, "openssl", "s_server", "-dtls1_2", "-nocert", "-psk", psk, "-cipher", s.openssl, "-port", port)
			peer.wait(t, "ACCEPT")
			converse(t, start(t, cat, "client", port, s.gnutls), peer)
		})
		t.Run("server/OpenSSL/"+s.gnutls, func(t *testing.T) {
			port := freePort(t)
			own := start(t, cat, "server", port, s.gnutls)
			own.wait(t, "ready")
			converse(t, own, start(t, "openssl", "s_client", "-dtls1_2", "-psk", psk, "-cipher", s.openssl, "-connect", "127.0.0.1:"+port))
		})
		t.Run("client/GnuTLS/"+s.gnutls, func(t *testing.T) {
			port := freePort(t)
			peer := start(t, cat, "-u", "server", port, s.gnutls)
			peer.wait(t, "ready")
			converse(t, start(t, cat, "client", port, s.gnutls), peer)
		})
		t.Run("server/GnuTLS/"+s.gnutls, func(t *testing.T) {
			port := freePort(t)
			own := start(t, cat, "server", port, s.gnutls)
			own.wait(t, "ready")
			converse(t, own, start(t, cat, "-u", "client", port, s.gnutls))
		})
	}
}

// converse lets both send several times, and then lets our side close.
func converse(t *testing.T, own, peer *program) {
	t.Helper()
	own.wait(t, "talking\n")
	for i := range 3 {
		line := fmt.Sprintf("AF_KTLS says %d", i)
		own.say(t, line)
		peer.wait(t, line+"\n")
		line = fmt.Sprintf("the peer says %d", i)
		peer.say(t, line)
		own.wait(t, line+"\n")
	}
	own.stdin.Close()
	check(t, own.name, own.cmd.Wait())
	if strings.Contains(peer.name, "-u") {
		peer.wait(t, "alert 0\n")
	}
}

// TestPeerCloses: a close_notify from the other end is an alert of our epoch.
func TestPeerCloses(t *testing.T) {
	load(t)
	cat := dtlscat(t)
	port := freePort(t)
	peer := start(t, cat, "-u", "server", port, "AES-256-GCM")
	peer.wait(t, "ready")
	own := start(t, cat, "client", port, "AES-256-GCM")
	own.wait(t, "talking\n")
	peer.wait(t, "talking\n")
	peer.stdin.Close()
	own.wait(t, "alert 0\n")
	check(t, own.name, own.cmd.Wait())
}

// TestOldStream does what a program of 2016 does over TCP, as far as its sources are known: keys in
// parts for both directions, send, sendfile, splice and recv, without anything new.
func TestOldStream(t *testing.T) {
	load(t)
	a, b, _, _ := streamPair(t, unix.AF_INET, aes128)
	send(t, a, []byte("ping\n"), 0)
	r := bufio.NewReader(fdReader(b))
	if line, err := r.ReadString('\n'); line != "ping\n" || err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
	f := tempFile(t, []byte("by sendfile\n"))
	must(unix.Sendfile(a, int(f.Fd()), nil, 12))(t)
	if line, err := r.ReadString('\n'); line != "by sendfile\n" || err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
}

type fdReader int

func (fd fdReader) Read(b []byte) (int, error) { return unix.Read(int(fd), b) }

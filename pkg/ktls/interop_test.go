package ktls

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// program skips a test whose program is not installed, and names its Debian package.
func program(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s (Debian package %s)", name, pkg)
	}
	return path
}

// pemFiles writes the test certificate and its key into a directory.
func pemFiles(t testing.TB) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(testCert().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: testCert().Certificate[0]},
		key:  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// opensslConf is an OPENSSL_CONF that turns OpenSSL's own kernel TLS on.
func opensslConf(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "openssl.cnf")
	text := "openssl_conf=oc\n[oc]\nssl_conf=sc\n[sc]\nsystem_default=sd\n[sd]\nOptions = KTLS\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "OPENSSL_CONF=" + path
}

// peerCase is one way for another implementation to talk to us.
type peerCase struct {
	name    string
	version uint16
	suite   string // OpenSSL's name
	ktls    bool   // the peer uses kernel TLS itself
}

var opensslCases = []peerCase{
	{"1.3 AES-128", tls.VersionTLS13, "TLS_AES_128_GCM_SHA256", false},
	{"1.3 AES-256", tls.VersionTLS13, "TLS_AES_256_GCM_SHA384", false},
	{"1.3 ChaCha", tls.VersionTLS13, "TLS_CHACHA20_POLY1305_SHA256", false},
	{"1.2 AES-128", tls.VersionTLS12, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
	{"1.2 AES-256", tls.VersionTLS12, "ECDHE-ECDSA-AES256-GCM-SHA384", false},
	{"1.2 ChaCha", tls.VersionTLS12, "ECDHE-ECDSA-CHACHA20-POLY1305", false},
	{"1.3 ktls", tls.VersionTLS13, "TLS_AES_256_GCM_SHA384", true},
	{"1.2 ktls", tls.VersionTLS12, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
}

// args are the options of openssl s_client and s_server for the case.
func (pc peerCase) args() []string {
	if pc.version == tls.VersionTLS12 {
		return []string{"-tls1_2", "-cipher", pc.suite}
	}
	return []string{"-tls1_3", "-ciphersuites", pc.suite}
}

// peer is another program at the other end.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs a program until the test ends.
func start(t testing.TB, env []string, name string, args ...string) *peer {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(ktlstest.Patience, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		timer.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &peer{cmd, in, bufio.NewReader(out)}
}

// line waits for a line of output that has the prefix, and returns the rest of it.
func (p *peer) line(t testing.TB, prefix string) string {
	t.Helper()
	for {
		line, err := p.out.ReadString('\n')
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest)
		}
		if err != nil {
			t.Fatalf("%s ended before it wrote %q: %v", p.cmd.Path, prefix, err)
		}
	}
}

func (pc peerCase) env(t testing.TB) []string {
	if pc.ktls {
		return []string{opensslConf(t)}
	}
	return nil
}

// eachOpenSSL runs f for every case.
func eachOpenSSL(t *testing.T, f func(t *testing.T, m mode, pc peerCase)) {
	program(t, "openssl", "openssl")
	inSoftAndKernel(t, func(t *testing.T, m mode) {
		for _, pc := range opensslCases {
			t.Run(pc.name, func(t *testing.T) { f(t, m, pc) })
		}
	})
}

// inSoftAndKernel leaves out the modes that other programs cannot distinguish from these
// two.
func inSoftAndKernel(t *testing.T, f func(t *testing.T, m mode)) {
	eachMode(t, func(t *testing.T, m mode) {
		if m.name != inSoft.name && m.name != inKernel.name {
			t.Skip("soft and kernel will do")
		}
		f(t, m)
	})
}

// dialPeer connects a Conn to a server that has just been started.
func dialPeer(t testing.TB, m mode, addr string, config *tls.Config) *Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(ktlstest.Patience))
	c := m.client(conn, config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOpenSSLServer has openssl s_server turn lines round.
func TestOpenSSLServer(t *testing.T) {
	cert, key := pemFiles(t)
	eachOpenSSL(t, func(t *testing.T, m mode, pc peerCase) {
		args := append([]string{"s_server", "-accept", "127.0.0.1:0", "-naccept", "2", "-cert", cert, "-key", key, "-rev"}, pc.args()...)
		p := start(t, pc.env(t), "openssl", args...)
		addr := p.line(t, "ACCEPT ")
		config := clientConfig()
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for round := range 2 {
			c := dialPeer(t, m, addr, config)
			line := strings.Repeat("0123456789", 1000)
			for range 3 {
				mustWrite(t, c, line+"abc\n")
				mustRead(t, c, "cba"+strings.Repeat("9876543210", 1000)+"\n")
			}
			if got := c.ConnectionState().DidResume; got != (round == 1) {
				t.Errorf("round %d: resumed %v", round, got)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// listenForPeer returns a listener for a client that is about to be started.
func listenForPeer(t testing.TB) (ln net.Listener, port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(ktlstest.Patience))
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	return ln, port
}

// acceptPeer accepts that client's connection.
func acceptPeer(t testing.TB, m mode, ln net.Listener) *Conn {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(ktlstest.Patience))
	c := m.server(conn, serverConfig())
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOpenSSLClient echoes what openssl s_client sends.
func TestOpenSSLClient(t *testing.T) {
	eachOpenSSL(t, func(t *testing.T, m mode, pc peerCase) {
		ln, port := listenForPeer(t)
		args := append([]string{"s_client", "-connect", "127.0.0.1:" + port, "-servername", "test.invalid", "-quiet", "-ign_eof"}, pc.args()...)
		p := start(t, pc.env(t), "openssl", args...)
		want := bytes.Repeat([]byte("0123456789"), 20000)
		c := acceptPeer(t, m, ln)
		background(t, func() { _, _ = p.in.Write(want) })
		background(t, func() {
			_, _ = io.CopyN(c, onlyReader{c}, int64(len(want)))
			_ = c.Close()
		})
		got, err := io.ReadAll(p.out)
		if !bytes.Equal(got, want) || err != nil {
			t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
		}
	})
}

// TestOpenSSLKeyUpdate has OpenSSL change keys in the middle, as server and as client.
func TestOpenSSLKeyUpdate(t *testing.T) {
	cert, key := pemFiles(t)
	// What they say when they change keys comes by the line, from both outputs.
	byLine := []string{"-c", `exec stdbuf -oL openssl "$@" 2>&1`, "sh"}
	for role, connect := range map[string]func(t *testing.T, m mode, serve func(c *Conn, p *peer, changed string)){
		"server": func(t *testing.T, m mode, serve func(*Conn, *peer, string)) {
			p := start(t, nil, "sh", append(byLine, "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-tls1_3")...)
			serve(dialPeer(t, m, p.line(t, "ACCEPT "), clientConfig()), p, "SSL_do_handshake -> 1")
		},
		"client": func(t *testing.T, m mode, serve func(*Conn, *peer, string)) {
			ln, port := listenForPeer(t)
			p := start(t, nil, "sh", append(byLine, "s_client", "-connect", "127.0.0.1:"+port, "-servername", "test.invalid", "-tls1_3")...)
			serve(acceptPeer(t, m, ln), p, "KEYUPDATE")
		},
	} {
		t.Run(role, func(t *testing.T) {
			program(t, "openssl", "openssl")
			eachMode(t, func(t *testing.T, m mode) {
				if !m.offloaded() {
					t.Skip("crypto/tls has its own tests of this")
				}
				connect(t, m, func(c *Conn, p *peer, changed string) {
					for round := range 2 {
						// s_client and s_server look at the first letter of what one read
						// returned, so each line waits until they have read the one before.
						_, _ = io.WriteString(p.in, "before\n")
						mustRead(t, c, "before\n")
						_, _ = io.WriteString(p.in, "K\n")
						p.line(t, changed)
						_, _ = io.WriteString(p.in, "after\n")
						if !m.rekeys() {
							if _, err := c.Read(make([]byte, 10)); !errors.Is(err, ErrRekey) {
								t.Errorf("read: %v", err)
							}
							return
						}
						mustRead(t, c, "after\n")
						mustWrite(t, c, fmt.Sprintf("answer %d\n", round))
						p.line(t, fmt.Sprintf("answer %d", round))
						if err := c.KeyUpdate(t.Context()); err != nil {
							t.Fatal(err)
						}
						mustWrite(t, c, fmt.Sprintf("our key %d\n", round))
						p.line(t, fmt.Sprintf("our key %d", round))
					}
				})
			})
		})
	}
}

var gnutlsPriorities = map[string]string{
	"1.3 AES-128": "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM",
	"1.2 AES-256": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM",
	"1.2 ChaCha":  "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305",
	"1.3 AES-256": "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM",
	"1.2 AES-128": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM",
	"1.3 ChaCha":  "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305",
}

// TestGnuTLSClient echoes what gnutls-cli sends.
func TestGnuTLSClient(t *testing.T) {
	program(t, "gnutls-cli", "gnutls-bin")
	cert, _ := pemFiles(t)
	inSoftAndKernel(t, func(t *testing.T, m mode) {
		for name, priority := range gnutlsPriorities {
			t.Run(name, func(t *testing.T) {
				ln, port := listenForPeer(t)
				p := start(t, nil, "gnutls-cli", "--x509cafile", cert, "--verify-hostname", "test.invalid", "--priority", priority, "-p", port, "127.0.0.1")
				c := acceptPeer(t, m, ln)
				_, _ = io.WriteString(p.in, "from gnutls\n")
				mustRead(t, c, "from gnutls\n")
				mustWrite(t, c, strings.Repeat("x", 40000)+"\nfrom us\n")
				p.line(t, "from us")
				_ = p.in.Close()
				mustEOF(t, c)
				_ = c.Close()
			})
		}
	})
}

// TestGnuTLSServer talks to gnutls-serv, which echoes.
func TestGnuTLSServer(t *testing.T) {
	program(t, "gnutls-serv", "gnutls-bin")
	cert, key := pemFiles(t)
	inSoftAndKernel(t, func(t *testing.T, m mode) {
		for name, priority := range gnutlsPriorities {
			t.Run(name, func(t *testing.T) {
				port := freePort(t) // gnutls-serv does not say which port it chose
				start(t, nil, "gnutls-serv", "--echo", "--x509certfile", cert, "--x509keyfile", key, "--priority", priority, "-p", port)
				awaitServer(t, "127.0.0.1:"+port)
				c := dialPeer(t, m, "127.0.0.1:"+port, clientConfig())
				line := strings.Repeat("0123456789", 100) + "\n"
				for range 5 {
					mustWrite(t, c, line)
					mustRead(t, c, line)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// freePort returns a port without a listener, below those that the kernel gives to sockets that do not name one: none of
// these gets it before the program that it is for.
func freePort(t *testing.T) string {
	t.Helper()
	for n := 20000 + os.Getpid()%10000; n < 32768; n++ {
		port := strconv.Itoa(n)
		if ln, err := net.Listen("tcp", ":"+port); err == nil {
			_ = ln.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// awaitServer waits until addr accepts connections.
func awaitServer(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(ktlstest.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return
		}
	}
	t.Fatalf("nobody listens on %s", addr)
}

// awaitSession waits until s_client has written a whole session; it flushes its output, which
// would tell, only when it ends.
func awaitSession(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(ktlstest.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte("-----END")) {
			return
		}
	}
	t.Fatal("openssl s_client got no session")
}

// TestEarlyDataIsRefused: a client that was allowed early data elsewhere sends it to us.
// crypto/tls ends such a handshake, and nothing of the data is ever read.
func TestEarlyDataIsRefused(t *testing.T) {
	program(t, "openssl", "openssl")
	cert, key := pemFiles(t)
	dir := t.TempDir()
	session, early := filepath.Join(dir, "session"), filepath.Join(dir, "early")
	if err := os.WriteFile(early, []byte("early data"), 0o600); err != nil {
		t.Fatal(err)
	}
	generous := start(t, nil, "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-tls1_3", "-early_data")
	start(t, nil, "openssl", "s_client", "-connect", generous.line(t, "ACCEPT "), "-servername", "test.invalid", "-tls1_3", "-sess_out", session)
	awaitSession(t, session)
	inSoftAndKernel(t, func(t *testing.T, m mode) {
		ln, port := listenForPeer(t)
		start(t, nil, "openssl", "s_client", "-connect", "127.0.0.1:"+port, "-servername", "test.invalid", "-tls1_3", "-sess_in", session, "-early_data", early)
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(ktlstest.Patience))
		c := m.server(conn, serverConfig())
		if n, err := c.Read(make([]byte, 100)); n != 0 || err == nil || !strings.Contains(err.Error(), "early data") {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if off := c.Offload(); off.TX.Mode != ModeNone || !errors.Is(off.TX.Reason, ErrHandshakePending) {
			t.Errorf("offload: %+v", off)
		}
	})
}

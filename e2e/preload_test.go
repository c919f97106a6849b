package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// preload is the library that moves a program's DTLS sessions into AF_KTLS.
const preload = "../bin/afktls-preload.so"

// TestPreload: the module seals and opens the records of the DTLS 1.2 session of an unchanged
// program with GnuTLS, as long as it sends and receives. When it says goodbye, GnuTLS has the
// session again, and counts on from the module's last number: no nonce is used twice.
func TestPreload(t *testing.T) {
	kmodtest.Load(t, "af_ktls")
	for _, cipher := range []string{"AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"} {
		t.Run(cipher, func(t *testing.T) {
			says := chat(t, cipher)
			wantLines(t, says, "DTLS1.2 "+cipher+": in the kernel\n", "DTLS1.2 "+cipher+": out of the kernel: 2 records sent, 1 received\n",
				"stays with GnuTLS from now on: the program called: gnutls_bye\n")
		})
	}
	t.Run("a cipher that the module lacks", func(t *testing.T) {
		wantLines(t, chat(t, "AES-128-CBC"), "DTLS1.2 AES-128-CBC: stays with GnuTLS: the module has DTLS 1.2 with AES-GCM and ChaCha20-Poly1305\n")
	})
}

// TestPreloadBackground: a program forks after its handshake, and the process that exits ends the
// session on its part. The other one continues with the module, and says goodbye.
func TestPreloadBackground(t *testing.T) {
	kmodtest.Load(t, "af_ktls")
	const cat, cipher = "../bin/dtlscat", "AES-128-GCM"
	port := fmt.Sprint(freePort(t))
	serverIn, server := startInteractive(t, exec.Command(cat, "-u", "server", port, cipher))
	wait(t, server, "ready")
	cmd := exec.Command(cat, "-b", "client", port, cipher)
	cmd.Env = append(os.Environ(), preloadEnv(t)...)
	clientIn, client := startInteractive(t, cmd)
	wait(t, client, "left")
	say(t, clientIn, "by the one that stays")
	wait(t, server, "by the one that stays")
	say(t, serverIn, "answer")
	wait(t, client, "answer")
	must(t, clientIn.Close())
	wait(t, server, "alert 0")
	waitFor(t, cmd)
	wantLines(t, client.String(), "DTLS1.2 AES-128-GCM: in the kernel\n", "DTLS1.2 AES-128-GCM: out of the kernel: 1 records sent, 1 received\n",
		"stays with GnuTLS from now on: the program called: gnutls_bye\n")
}

// TestPreloadWithoutModule: then the program continues as without the library.
func TestPreloadWithoutModule(t *testing.T) {
	wantLines(t, chat(t, "AES-128-GCM"), "stays with GnuTLS: no AF_KTLS socket: is the module af_ktls loaded?\n")
}

func wantLines(t *testing.T, says string, want ...string) {
	t.Helper()
	for _, w := range want {
		if strings.Count(says, w) != 1 {
			t.Errorf("not said once: %q", w)
		}
	}
	if n := strings.Count(says, "afktls-preload: "); n != len(want) {
		t.Errorf("the library said %d lines, not %d:\n%s", n, len(want), says)
	}
}

// chat makes gnutls-cli with the preloaded library send two lines to OpenSSL, receive one, and say
// goodbye. It returns the output of gnutls-cli. OpenSSL prints the header of each record: the
// sequence numbers are 1 and 2, that of the goodbye 3.
func chat(t *testing.T, cipher string) string {
	t.Helper()
	port := freePort(t)
	server, serverIn := startServer(t, port)
	client, clientIn, clientSays := startClient(t, cipher, port)
	wait(t, clientSays, "Handshake was completed")
	say(t, clientIn, "first line")
	wait(t, server, "first line")
	say(t, serverIn, "answer")
	wait(t, clientSays, "answer")
	say(t, clientIn, "second line")
	wait(t, server, "second line")
	must(t, clientIn.Close())
	eventually(t, "a goodbye that is record 3", func() bool { return recordsRead(server, 21, 3) > 0 })
	for seq := 1; seq <= 2; seq++ {
		if n := recordsRead(server, 23, seq); n != 1 {
			t.Errorf("record %d came %d times", seq, n)
		}
	}
	waitFor(t, client)
	return clientSays.String()
}

// received counts the records of a type and sequence number, of epoch 1, that OpenSSL received.
func recordsRead(server *said, contentType, seq int) int {
	header := fmt.Sprintf("<<< [^\n]*\n +%02x fe fd 00 01 00 00 00 00 00 %02x ", contentType, seq)
	return len(regexp.MustCompile(header).FindAllString(server.String(), -1))
}

func startServer(t *testing.T, port int) (*said, io.Writer) {
	t.Helper()
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	command(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost")
	cmd := exec.Command(need(t, "openssl"), "s_server", "-dtls1_2", "-msg", "-cipher", "ALL",
		"-accept", fmt.Sprintf("127.0.0.1:%d", port), "-key", key, "-cert", cert)
	says := &said{}
	cmd.Stdout = says
	in, err := cmd.StdinPipe()
	must(t, err)
	start(t, cmd)
	wait(t, says, "ACCEPT")
	return says, in
}

func startClient(t *testing.T, cipher string, port int) (*exec.Cmd, io.WriteCloser, *said) {
	t.Helper()
	cmd := exec.Command(need(t, "gnutls-cli"), "--udp", "-p", fmt.Sprint(port), "--insecure",
		"--priority", "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+"+cipher, "127.0.0.1")
	cmd.Env = append(os.Environ(), preloadEnv(t)...)
	in, says := startInteractive(t, cmd)
	return cmd, in, says
}

// startInteractive starts a program with input and output.
func startInteractive(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, *said) {
	t.Helper()
	says := &said{}
	cmd.Stdout, cmd.Stderr = says, says
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may have ended by itself
			_ = cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd, says)
		}
	})
	return in, says
}

// preloadEnv makes a program load the library, and the library log its actions.
func preloadEnv(t *testing.T) []string {
	t.Helper()
	library, err := filepath.Abs(preload)
	must(t, err)
	if _, err := os.Stat(library); err != nil {
		t.Fatalf("%v: make preload builds it", err)
	}
	return []string{"LD_PRELOAD=" + library, "AFKTLS_PRELOAD_VERBOSE=1"}
}

func say(t *testing.T, to io.Writer, line string) {
	t.Helper()
	_, err := fmt.Fprintln(to, line)
	must(t, err)
}

// wait waits until a program has printed a text.
func wait(t *testing.T, s *said, what string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q said", what), func() bool { return strings.Contains(s.String(), what) })
}

// eventually waits for a condition that no file or socket announces.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

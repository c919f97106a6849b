package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// need returns the path of a program that make test installs.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: make test installs it", name)
	}
	return path
}

func hostOpenSSL(t *testing.T) []string {
	t.Helper()
	return []string{need(t, "openssl")}
}

// newerOpenSSL is OpenSSL 3.5. It runs beside the host's with the loader of its own
// libc.
func newerOpenSSL(t *testing.T) []string {
	t.Helper()
	dir, err := filepath.EvalSymlinks("../bin/openssl35")
	if err != nil {
		t.Fatalf("OpenSSL 3.5 is missing: make test unpacks it (%v)", err)
	}
	lib := filepath.Join(dir, "usr/lib/x86_64-linux-gnu")
	return []string{filepath.Join(lib, "ld-linux-x86-64.so.2"), "--library-path", lib, filepath.Join(dir, "usr/bin/openssl")}
}

// commOf is the kernel's name of a process that runs a program.
func commOf(program string) string {
	name := filepath.Base(program)
	return name[:min(len(name), 15)]
}

// start runs a program until the test ends. Its output goes to a file that is
// shown if the test fails.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	must(t, err)
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	must(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may have ended by itself
			_ = cmd.Wait()
		}
		if b, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, b)
		}
		log.Close()
	})
}

// waitFor waits for a program's end and kills it after a time.
func waitFor(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", cmd.Path, err)
	}
}

// freePort is a free port to listen on, below those that clients get: the ports then
// show which end of a connection is the client.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000)))
		if err == nil {
			defer ln.Close()
			return port(ln.Addr())
		}
	}
	t.Fatal("no free port")
	return 0
}

// listening waits until a process listens on a port, without connecting to it.
func listening(t *testing.T, port int) {
	t.Helper()
	listens(t, port, "/proc/net")
}

// listens is the same in the network namespace of dir, a proc(5) net directory.
func listens(t *testing.T, port int, dir string) {
	t.Helper()
	listener := regexp.MustCompile(fmt.Sprintf(":%04X 0+:0000 0A", port))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, file := range []string{"tcp", "tcp6"} {
			b, err := os.ReadFile(filepath.Join(dir, file))
			must(t, err)
			if listener.Match(b) {
				return
			}
		}
	}
	t.Fatalf("nobody listens on port %d", port)
}

// tlsStat reads /proc/net/tls_stat.
func tlsStat(t *testing.T) map[string]int {
	t.Helper()
	b, err := os.ReadFile("/proc/net/tls_stat")
	must(t, err)
	stat := map[string]int{}
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		var name string
		var n int
		if _, err := fmt.Sscan(l, &name, &n); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		stat[name] = n
	}
	return stat
}

// opensslConf switches kernel TLS on for every program that uses OpenSSL.
func opensslConf(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "openssl.cnf")
	conf := "openssl_conf=oc\n[oc]\nssl_conf=sc\n[sc]\nsystem_default=sd\n[sd]\nOptions=KTLS\n"
	must(t, os.WriteFile(name, []byte(conf), 0o644))
	return "OPENSSL_CONF=" + name
}

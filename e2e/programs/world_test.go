package programs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A world has the common resources of all programs of a test: files, a key and a certificate.
type world struct {
	trixie *root
	// dir is below /tmp, and so the same in each root. www is in it, of files to serve.
	dir, www string
	// cert and key are PEM files, both has both.
	cert, key, both string
	pair            tls.Certificate
	// openssl is a configuration of OpenSSL that switches kernel TLS on for every program
	// that reads it.
	openssl string
	files   map[string][]byte
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "programs-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	w := &world{trixie: openRoot(t, "trixie"), dir: dir, www: filepath.Join(dir, "www"), files: map[string][]byte{}}
	w.makeKey(t)
	w.openssl = w.write(t, "openssl.cnf", "openssl_conf=oc\n[oc]\nssl_conf=sc\n[sc]\nsystem_default=sd\n[sd]\nOptions=KTLS\n")
	must(t, os.Mkdir(w.www, 0o755))
	for name, n := range map[string]int{"a": 100, "b": 5001, "c": 70001, "big": 300_000} {
		w.files[name] = pattern(n)
		must(t, os.WriteFile(filepath.Join(w.www, name), w.files[name], 0o644))
	}
	return w
}

// pattern is n bytes that do not repeat and cannot be compressed.
func pattern(n int) []byte {
	b := make([]byte, n)
	mathrand.NewChaCha8([32]byte{byte(n)}).Read(b) // never fails
	return b
}

func (w *world) makeKey(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	w.pair, err = tls.X509KeyPair(cert, secret)
	must(t, err)
	w.cert, w.key, w.both = w.write(t, "cert.pem", string(cert)), w.write(t, "key.pem", string(secret)), w.write(t, "both.pem", string(cert)+string(secret))
}

// write makes a file in the world's directory, and a folder for it where there is none.
func (w *world) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// lines waits until a log in the world's directory has n lines, and returns them.
func (w *world) lines(t *testing.T, name string, n int) (lines []string) {
	t.Helper()
	var b []byte
	until(t, fmt.Sprintf("%s has %d lines", name, n), func() bool {
		b, _ = os.ReadFile(filepath.Join(w.dir, name)) // it does not exist before the first line
		return bytes.Count(b, []byte("\n")) >= n
	})
	if got := bytes.Count(b, []byte("\n")); got != n {
		t.Errorf("%s has %d lines, want %d:\n%s", name, got, n, b)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// freePort is a port to listen on, below those that clients get.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", address(20000+mathrand.IntN(10000)))
		if err == nil {
			defer ln.Close()
			return ln.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no free port")
	return 0
}

// listens reports whether a process listens on a port, without connecting to it.
func listens(t *testing.T, port int) bool {
	t.Helper()
	listener := regexp.MustCompile(fmt.Sprintf(":%04X 0+:0000 0A", port))
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(file)
		must(t, err)
		if listener.Match(b) {
			return true
		}
	}
	return false
}

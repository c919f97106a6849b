package e2e

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// sniffed is what net/http copies of each body before it leaves the rest to
// sendfile(2) (response.ReadFrom).
const sniffed = 512

// webHost is an address on which nothing else listens.
const webHost = "127.0.0.9"

// playServeContent: http.ServeContent sends the file's content by sendfile(2), sealed
// by the kernel, and the header by write(2).
func playServeContent(t *testing.T) func(*testing.T, trace) {
	body := pattern(100_000, 7)
	name := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(name, body, 0o600))
	addr := serveContent(t, name)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		header, got := get(t, addr, version)
		if !bytes.Equal(got, body) || header.Get("Content-Length") != "100000" {
			t.Fatalf("the client got %d bytes, %v", len(got), header)
		}
	}
	return func(t *testing.T, got trace) {
		for _, version := range []string{"1.2", "1.3"} {
			t.Run(version, func(t *testing.T) { checkServed(t, got, version, body) })
		}
	}
}

func checkServed(t *testing.T, got trace, version string, body []byte) {
	t.Helper()
	tx := got.filter(func(l *line) bool {
		return l.Type == "record" && l.Dir == "tx" && l.Sock.LAddr == webHost && l.TLS.Version == version
	}).data()
	bySendfile := tx.filter(func(l *line) bool { return l.Op == "sendfile" })
	if !bytes.Equal(bySendfile.payload(), body[sniffed:]) {
		t.Errorf("%d bytes went out by sendfile, want the file's last %d", len(bySendfile.payload()), len(body)-sniffed)
	}
	rest := tx.filter(func(l *line) bool { return l.Op == "send" })
	if b := rest.payload(); !bytes.HasPrefix(b, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.HasSuffix(b, body[:sniffed]) || len(rest)+len(bySendfile) != len(tx) {
		t.Errorf("%d records by send, %d by sendfile, of %d: %.100q", len(rest), len(bySendfile), len(tx), b)
	}
}

// serveContent serves the file and returns the server's address.
func serveContent(t *testing.T, name string) string {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"http/1.1"}}
	ln, err := ktls.Listen("tcp", webHost+":0", &ktls.Config{TLS: config, Policy: ktls.Require})
	must(t, err)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		http.ServeContent(w, r, "file.bin", time.Time{}, f)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // it ends with an error when it is closed
	}()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String()
}

// get asks for the file as a client in user space.
func get(t *testing.T, addr string, version uint16) (http.Header, []byte) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: patience}).Get("https://" + addr + "/")
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.Header, body
}

package programs

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// serve is a web server in the test, with TLS if there are peers to count it. It serves
// the world's files, and answers with the length of uploaded data.
func (w *world) serve(t *testing.T, ps *peers) (port int) {
	t.Helper()
	ln, err := net.Listen("tcp", address(freePort(t)))
	must(t, err)
	port = ln.Addr().(*net.TCPAddr).Port
	if ps != nil {
		ln = &counted{ln, &tls.Config{Certificates: []tls.Certificate{w.pair}}, ps}
	}
	srv := &http.Server{Handler: http.HandlerFunc(w.answer)}
	go srv.Serve(ln) // until it is closed
	t.Cleanup(func() { srv.Close() })
	return port
}

func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodPost {
		fmt.Fprintf(rw, "%d bytes\n", n)
		return
	}
	b := w.files[strings.TrimPrefix(r.URL.Path, "/")]
	rw.Header().Set("Content-Length", strconv.Itoa(len(b)))
	rw.Write(b) // the client sees which part is missing
}

// counted is a listener whose connections use TLS and count their data.
type counted struct {
	net.Listener
	conf  *tls.Config
	peers *peers
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return c.peers.add(tls.Server(conn, c.conf)), nil
}

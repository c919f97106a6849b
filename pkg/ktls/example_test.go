package ktls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// configs returns the configurations of a server with a certificate for
// example.com, and of a client that trusts it.
func configs() (server, client *tls.Config) {
	srv := httptest.NewTLSServer(nil) // for its certificate
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &tls.Config{Certificates: srv.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// echo sends back what each of the listener's connections sends.
func echo(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}

// pair returns a client's connection to an echo server.
func pair(policy ktls.Policy) (conn *ktls.Conn, done func()) {
	server, client := configs()
	ln, err := ktls.Listen("tcp", "127.0.0.1:0", &ktls.Config{TLS: server, Policy: policy})
	if err != nil {
		log.Fatal(err)
	}
	go echo(ln)
	if conn, err = ktls.Dial("tcp", ln.Addr().String(), &ktls.Config{TLS: client, Policy: policy}); err != nil {
		log.Fatal(err)
	}
	return conn, func() { conn.Close(); ln.Close() }
}

// A server and a client. Where the kernel cannot take a connection over it stays in user
// space, and the bytes are the same.
func Example() {
	server, client := configs()
	ln, err := ktls.Listen("tcp", "127.0.0.1:0", &ktls.Config{TLS: server})
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go echo(ln)

	conn, err := ktls.Dial("tcp", ln.Addr().String(), &ktls.Config{TLS: client})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	if err := conn.CloseWrite(); err != nil {
		log.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	fmt.Printf("%s, %v\n", answer, err)
	// Output: hello, <nil>
}

// Files that http.ServeFile and http.ServeContent send go out by sendfile(2), sealed in the
// kernel.
func ExampleListen() {
	server, client := configs()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("a file's content"), 0o600); err != nil {
		log.Fatal(err)
	}

	server.NextProtos = []string{"http/1.1"}
	ln, err := ktls.Listen("tcp", "127.0.0.1:0", &ktls.Config{TLS: server, HandshakeTimeout: 10 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	defer srv.Close()
	go srv.Serve(ln)

	get := &http.Client{Transport: &http.Transport{TLSClientConfig: client}}
	resp, err := get.Get("https://" + ln.Addr().String() + "/file")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%s: %s, %v\n", resp.Status, body, err)
	// Output: 200 OK: a file's content, <nil>
}

// A header and a body go out in one record, by one system call.
func ExampleConn_WriteBuffers() {
	conn, done := pair(ktls.Prefer)
	defer done()
	frame := net.Buffers{[]byte("header "), []byte("and body")}
	if _, err := conn.WriteBuffers(&frame); err != nil {
		log.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		log.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	fmt.Printf("%s, %v, %d slices are left\n", answer, err, len(frame))
	// Output: header and body, <nil>, 0 slices are left
}

// A proxy copies what its client sends to another server. Where the kernel has both
// connections, the bytes go by splice(2) and never enter the proxy.
func ExampleConn_WriteTo() {
	upstream, done := pair(ktls.Prefer) // to an echo server
	defer done()
	server, client := configs()
	ln, err := ktls.Listen("tcp", "127.0.0.1:0", &ktls.Config{TLS: server})
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(upstream, conn)
		_ = upstream.CloseWrite()
		_, _ = io.Copy(conn, upstream)
	}()

	conn, err := ktls.Dial("tcp", ln.Addr().String(), &ktls.Config{TLS: client})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "through a proxy")
	if err := conn.CloseWrite(); err != nil {
		log.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	fmt.Printf("%s, %v\n", answer, err)
	// Output: through a proxy, <nil>
}

// An HTTP client whose connections the kernel opens and seals.
func ExampleDialer() {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answer") }))
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())

	d := &ktls.Dialer{Config: &ktls.Config{TLS: &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}}}}
	client := &http.Client{Transport: &http.Transport{DialTLSContext: d.DialContext}}
	resp, err := client.Get(srv.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%s, %v\n", body, err)
	// Output: answer, <nil>
}

// Offload reports where the records are made and, if that is user space, why.
func ExampleConn_Offload() {
	conn, done := pair(ktls.Never)
	defer done()
	switch off := conn.Offload(); {
	case errors.Is(off.TX.Reason, ktls.ErrModuleMissing):
		fmt.Println("run modprobe tls")
	case off.TX.Reason != nil:
		fmt.Println(off.TX.Mode, off.TX.Reason)
	default:
		fmt.Println("sealed by", off.TX.Mode)
	}
	// Output: none ktls: prepare handover: policy is never
}

// OnHandover counts the connections that stay in user space, and why.
func ExampleConfig() {
	server, client := configs()
	var counts sync.Map // by reason
	config := &ktls.Config{TLS: client, Policy: ktls.Never, OnHandover: func(_ *ktls.Conn, o ktls.Offload) {
		if o.TX.Reason != nil {
			n, _ := counts.LoadOrStore(o.TX.Reason.Error(), new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		}
	}}
	ln, err := ktls.Listen("tcp", "127.0.0.1:0", &ktls.Config{TLS: server})
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go echo(ln)
	for range 3 { // which share the Config
		conn, err := ktls.Dial("tcp", ln.Addr().String(), config)
		if err != nil {
			log.Fatal(err)
		}
		conn.Close()
	}
	counts.Range(func(reason, n any) bool {
		fmt.Println(n.(*atomic.Int64).Load(), reason)
		return true
	})
	// Output: 3 ktls: prepare handover: policy is never
}

// A long-lived connection changes its keys where the kernel can, and goes on with the old
// ones where it cannot.
func ExampleConn_KeyUpdate() {
	conn, done := pair(ktls.Prefer)
	defer done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch err := conn.KeyUpdate(ctx); {
	case errors.Is(err, ktls.ErrRekey), errors.Is(err, ktls.ErrNotOffloaded):
		// Before Linux 6.14, or in user space.
	case err != nil:
		log.Fatal(err)
	}
	fmt.Fprint(conn, "still here")
	b := make([]byte, 10)
	_, err := io.ReadFull(conn, b)
	fmt.Printf("%s, %v\n", b, err)
	// Output: still here, <nil>
}

// io.Copy from a file uses sendfile(2) where the kernel seals.
func ExampleConn_ReadFrom() {
	conn, done := pair(ktls.Prefer)
	defer done()
	f, err := os.CreateTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString("content of a file"); err != nil {
		log.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		log.Fatal(err)
	}

	n, err := io.Copy(conn, f)
	fmt.Println(n, err)
	b := make([]byte, n)
	_, err = io.ReadFull(conn, b)
	fmt.Printf("%s, %v\n", b, err)
	// Output:
	// 17 <nil>
	// content of a file, <nil>
}

// The policies decide what happens where the kernel cannot take over.
func ExamplePolicy() {
	for _, p := range []ktls.Policy{ktls.Prefer, ktls.Require, ktls.Never} {
		fmt.Println(p)
	}
	// Output:
	// prefer
	// require
	// never
}

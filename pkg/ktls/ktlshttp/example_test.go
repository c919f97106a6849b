package ktlshttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/ktlshttp"
)

// configs returns the configurations of a server with a certificate for example.com, and of a client that trusts it.
func configs() (server, client *tls.Config) {
	srv := httptest.NewTLSServer(nil) // for its certificate
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &tls.Config{Certificates: srv.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// Both ends of HTTP/2. Where the kernel cannot take a connection over it stays in user space, and the bytes are the same.
func Example() {
	server, client := configs()
	srv := &ktlshttp.Server{
		HTTP: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "hello by %s, TLS: %t", r.Proto, r.TLS != nil)
		})},
		Config: &ktls.Config{TLS: server},
	}
	lc := &net.ListenConfig{}
	lc.SetMultipathTCP(false) // srv.ListenAndServe makes such a listener by itself
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- srv.Serve(ln) }()

	get := &http.Client{Transport: ktlshttp.NewTransport(nil, &ktls.Config{TLS: client})}
	resp, err := get.Get("https://" + ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Printf("%s, %v\n", body, err)

	get.CloseIdleConnections()
	fmt.Println(srv.Shutdown(context.Background()), <-done)
	// Output:
	// hello by HTTP/2.0, TLS: true, <nil>
	// <nil> http: Server closed
}

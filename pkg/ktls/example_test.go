package ktls_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// Files that http.ServeFile sends go out by sendfile(2), sealed in the kernel.
func ExampleListen() {
	cert, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	ln, err := ktls.Listen("tcp", ":8443", config, ktls.WithHandshake(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(ln, http.FileServer(http.Dir("."))))
}

// An HTTP client whose connections the kernel opens and seals.
func ExampleDialer() {
	d := &ktls.Dialer{Config: &tls.Config{NextProtos: []string{"http/1.1"}}}
	client := &http.Client{Transport: &http.Transport{DialTLSContext: d.DialContext}}
	resp, err := client.Get("https://www.example.com/")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
}

// Offload tells why a connection is not in the kernel.
func ExampleConn_Offload() {
	conn, err := ktls.Dial("tcp", "www.example.com:443", &tls.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	switch off := conn.Offload(); {
	case errors.Is(off.TX.Reason, ktls.ErrModuleMissing):
		fmt.Println("run modprobe tls")
	case off.TX.Reason != nil:
		fmt.Println("user space:", off.TX.Reason)
	default:
		fmt.Println("sealed by", off.TX.Mode)
	}
}

// A long-lived connection changes its keys where the kernel can.
func ExampleConn_KeyUpdate() {
	conn, err := ktls.Dial("tcp", "www.example.com:443", &tls.Config{}, ktls.Require)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := conn.KeyUpdate(ctx); errors.Is(err, ktls.ErrRekey) {
		fmt.Println("this kernel keeps its first keys")
	}
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

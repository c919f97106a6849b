// Package ktlshttp joins net/http and package ktls: HTTP/1.1 and HTTP/2 by ALPN, over connections whose records the kernel
// makes where it can.
//
//	srv := &ktlshttp.Server{HTTP: &http.Server{Addr: ":443", Handler: handler}, Config: &ktls.Config{TLS: config}}
//	log.Fatal(srv.ListenAndServe())
//
//	client := &http.Client{Transport: ktlshttp.NewTransport(nil, nil)}
//
// Request.TLS and Response.TLS are filled, as with crypto/tls.
//
// # Why a package
//
// In net/http HTTP/2 by ALPN is for a *tls.Conn alone. Another connection has to come as "unencrypted HTTP/2", which
// net/http recognises by its first bytes. To switch that on for a server means that plain-text clients reach HTTP/2 as well,
// wherever the server also listens without TLS. Here a server of its own has it, which gets only connections whose TLS
// handshake has agreed on h2. The caller's http.Server is not changed.
//
// # What the kernel gains
//
// With HTTP/1.1 files go out by sendfile(2) (http.ServeContent, http.ServeFile, http.FileServer), but for the first 512
// bytes, which net/http always copies. HTTP/2 cuts files into frames, so it does not use sendfile(2).
package ktlshttp

// Package ktls gives Go programs kernel TLS: the handshake is crypto/tls's own, the records
// after it are sealed and opened by Linux.
//
// A [Conn] is made as a *tls.Conn is, from the same *tls.Config:
//
//	ln, err := ktls.Listen("tcp", ":443", config)
//	...
//	http.Serve(ln, handler) // files go out by sendfile(2), sealed in the kernel
//
// # What runs in the kernel
//
// TLS 1.2 and 1.3 with AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305 over a *net.TCPConn.
// Anything else stays in user space, and [Conn.Offload] says why. With the [Policy]
// [Require] it is an error instead. The choice falls before the first byte of application
// data.
//
// The package needs no fork of crypto/tls, no unsafe, no linkname and no cgo. The session's
// secrets come through [tls.Config.KeyLogWriter] (the caller's own keeps working), the keys
// are derived as RFC 8446, section 7.3, and RFC 5246, section 6.3, say, and handed over by
// setsockopt(2).
//
// # net/http
//
// An http.Server on a [Listen] listener speaks HTTP/1.1, and files that http.ServeContent
// sends go out by sendfile(2), but for the first 512 bytes, which net/http always copies.
// [WithHandshake] fills Request.TLS. A client takes
// [Dialer.DialContext] as its transport's DialTLSContext and speaks HTTP/1.1.
//
// HTTP/2 by ALPN is for *tls.Conn alone in net/http. A server can still speak it: offer "h2"
// in NextProtos, switch http.Protocols.SetUnencryptedHTTP2 on, and have the listener return
// each connection as struct{ net.Conn }{conn}, since net/http looks for the HTTP/2 preface
// only on connections that do not show a TLS state. HTTP/2 cuts files into frames, so
// sendfile(2) is not used.
//
// # Keys in memory
//
// Derived keys and secrets are overwritten as soon as the kernel has them. What Go does
// not let a package reach stays until the garbage collector frees it: the copies inside
// crypto/tls (its Conn is kept for ConnectionState), the key-log lines it made, and the
// strings in which x/sys takes the keys to setsockopt(2). TLS 1.3 keeps the current
// traffic secrets, which a KeyUpdate needs, and on clients with a session cache the
// server's first key, under which tickets are handed to crypto/tls.
//
// # Raw sockets
//
// [EnableRaw], [SendRecord] and [RecvRecord] put static keys on a socket without any
// handshake. They are for tests and tools that need exact records.
package ktls

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

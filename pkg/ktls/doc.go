// Package ktls gives Go programs kernel TLS: the handshake is crypto/tls's own, the records
// after it are sealed and opened by Linux.
//
// A [Conn] is made as a *tls.Conn is. A [Config] holds the *tls.Config and what this package
// adds:
//
//	ln, err := ktls.Listen("tcp", ":443", &ktls.Config{TLS: config})
//	...
//	conn, err := ln.Accept()
//	...
//	io.Copy(conn, file) // by sendfile(2), sealed in the kernel
//
// # Traps
//
//   - Go's net.Listen makes listeners of Multipath TCP, and a connection of that cannot have
//     kernel TLS: a peer that speaks it stays in user space. [Listen] makes a listener of
//     plain TCP. [NewListener] returns an error with [Require], and [Listener.Available] one
//     otherwise.
//   - A connection that the kernel does not take over works all the same, in user space. Set
//     Config.OnHandover to count these, or use Require to make them fail.
//   - A tls.Config with Renegotiation keeps TLS 1.2 connections in user space.
//   - What is written to [Conn.UnsafeNetConn] once the kernel has the keys goes out as
//     application data.
//
// # What runs in the kernel
//
// TLS 1.2 and 1.3 with AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305 over a *net.TCPConn.
// Anything else stays in user space, and [Conn.Offload] says why. With the [Policy]
// [Require] it is an error instead. The choice falls before the first byte of application
// data.
//
// The package needs no fork of crypto/tls, no linkname and no cgo. It uses unsafe in two
// places: for bind(2) with an address that x/sys does not know (package raw), and for
// getsockopt(2) of a value that x/sys cannot read. The session's secrets come through
// [tls.Config.KeyLogWriter] (the caller's own keeps working), the keys are derived as RFC
// 8446, section 7.3, and RFC 5246, section 6.3, say, and handed over by setsockopt(2).
// [Conn.ConnectionState] is crypto/tls's, with ExportKeyingMaterial.
//
// # net/http
//
// Package ktlshttp, a directory below, has a server and a transport for HTTP/1.1 and HTTP/2.
// Without it an http.Server on a [Listen] listener speaks HTTP/1.1 (name "http/1.1" alone in
// NextProtos), Config.HandshakeTimeout fills Request.TLS, and a client that takes
// [Dialer.DialContext] as its transport's DialTLSContext speaks HTTP/1.1 with a nil
// Response.TLS.
//
// # DTLS
//
// [DialDTLS] and [ListenDTLS] make a [DTLSConn], DTLS 1.2 over UDP. The handshake is
// github.com/pion/dtls's. Its records then go to AF_KTLS, a socket family of this project's
// module kmod/af_ktls, with the same three ciphers. Without the module, or with another
// cipher, the records stay pion's, and [DTLSConn.Offload] says so.
//
// Two record layers that count for themselves under one key would use a nonce twice, which
// gives the key away. Here that cannot be: all that pion sends passes a gate, which is shut
// before the kernel gets the key and never opened again. What is sent later, close_notify
// and a last flight that the peer asks for once more included, the kernel seals with its
// next number. Before the keys go there they are proven: both Finished messages of the wire
// must open with them.
//
// # How long a key serves
//
// RFC 8446, section 5.5, limits AES-GCM to 2^24.5 records of full size under one key. A TLS
// 1.3 connection in the kernel changes its sending key after 2^24 records on its own, as
// [Conn.KeyUpdate] does, but without asking the peer to follow: the peer's key is the peer's
// to change. RFC 8446 requires every peer to accept a KeyUpdate. One that cannot, such as
// kernel TLS before Linux 6.14, ends the connection.
//
// In three cases the connection continues past the limit, as crypto/tls, which keeps none,
// does: on kernels before 6.14, which cannot change keys; with TLS 1.2, which has no
// KeyUpdate; and in user space. A program that wants to keep the limit there closes the
// connection after 256 GiB. ChaCha20-Poly1305 needs no change.
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
// Package raw, a directory below, puts static keys on a socket without any handshake, and sends and receives records of
// any type. It is for tests and tools that need exact records.
package ktls

// Package raw puts static keys on a socket, without a handshake, and sends and receives records of any type. It is for
// tests and tools that need exact records, and for programs that bring a handshake of their own. Package ktls, one
// directory up, has the handshake of crypto/tls.
//
//	err := raw.Enable(conn, &raw.CryptoInfo{Version: tls.VersionTLS13, Cipher: raw.AES128GCM, Key: key, Salt: salt, IV: iv}, nil)
//	...
//	n, err := raw.SendRecord(conn, raw.TypeHandshake, message, 0)
//
// # Who is responsible for what
//
// The kernel seals with the sequence numbers that follow CryptoInfo.Seq. The caller must never set one key and sequence
// number twice: AES-GCM and ChaCha20-Poly1305 give the key away where a nonce is used again. Nobody here answers alerts
// or KeyUpdate messages.
//
// The functions take a syscall.Conn, such as a *net.TCPConn, and honour its deadlines. They may run at the same time as
// its other methods. None of them takes the connection over: its owner closes it.
package raw

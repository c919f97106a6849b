// Package rpc reads ONC RPC (RFC 5531) out of the two streams of a TCP connection,
// and names what NFS is asked in it: bytes in, exchanges out.
//
// Of a message it keeps what it needs to name it, a few kilobytes at most: file
// names and data pass through and are kept nowhere. It may begin in the middle of a
// stream, at a record that begins with a call.
package rpc

// Package rpc decodes ONC RPC (RFC 5531) from the two streams of a TCP connection, and
// names the operations of NFS in it: bytes in, exchanges out.
//
// It keeps the part of a message that names it, a few kilobytes at most: file names and
// data pass through and are not stored. It can begin in the middle of a stream, at a
// record that begins with a call.
package rpc

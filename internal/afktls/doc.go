// Package afktls holds the tests of kmod/af_ktls, the socket family AF_KTLS: what it does with the records of datagram
// sockets, byte by byte against an implementation in Go and against other people's DTLS, how its stream sockets are
// kernel TLS, and that nothing of it is left behind. They run in guests; make vmtest PACKAGES=./internal/afktls.
package afktls

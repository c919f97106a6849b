// Package afktls has the tests of kmod/af_ktls, the socket family AF_KTLS. They compare the records
// of datagram sockets byte by byte with an implementation in Go and with other implementations of
// DTLS, check that its stream sockets are kernel TLS, and that it leaks nothing. They run in
// guests; make vmtest PACKAGES=./internal/afktls.
package afktls

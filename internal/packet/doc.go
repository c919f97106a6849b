// Package packet turns records into the packets that they would have been
// without TLS: Ethernet, IP and TCP, or UDP for DTLS, with the connection's true
// addresses and ports. What TLS hides is made up and says so: the handshake and the end of a
// connection, the hardware addresses, and the numbers that TCP counts bytes by.
//
// Only application data becomes packets. Alerts and handshake records belong to
// TLS and would not have been there without it.
package packet

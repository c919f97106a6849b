package tlsnic

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// connectionTime is how long a connection may live; an emulated kernel is slow, and faults make TCP wait.
const connectionTime = 2 * time.Minute

// A Setting says what a connection is like. Of TLS 1.2 and AES-GCM, which kernels from 6.1 to 7.3 give to cards, all else
// stays in software.
type Setting struct {
	Cipher  raw.Cipher
	Version uint16 // 0 is TLS 1.2
	V6      bool
}

// Keys makes the static keys of both directions, which nobody should use.
func (s Setting) Keys() (fromA, fromB *raw.CryptoInfo) { return s.keys('a'), s.keys('b') }

func (s Setting) keys(end byte) *raw.CryptoInfo {
	key, salt, iv, _ := s.Cipher.Sizes()
	fill := func(n int, kind byte) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = end ^ kind ^ byte(i)
		}
		return b
	}
	version := s.Version
	if version == 0 {
		version = 0x0303
	}
	return &raw.CryptoInfo{Version: version, Cipher: s.Cipher, Key: fill(key, 1), Salt: fill(salt, 2), IV: fill(iv, 3)}
}

// Pair is a connection from A to B with kernel TLS at both ends, in both directions.
func (c *Cable) Pair(t testing.TB, s Setting) (a, b *net.TCPConn) {
	t.Helper()
	a, b = c.Connect(t, s.V6)
	c.Arm(t, s, a, b)
	return a, b
}

// Connect is a connection from A to B without TLS. It ends with the test, and in any case in two minutes.
func (c *Cable) Connect(t testing.TB, v6 bool) (a, b *net.TCPConn) {
	t.Helper()
	addr := c.B.V4
	if v6 {
		addr = c.B.V6
	}
	return c.connect(t, addr, addr)
}

// connect listens on one address of B, or on all, and connects to one.
func (c *Cable) connect(t testing.TB, listen, dial netip.Addr) (a, b *net.TCPConn) {
	t.Helper()
	var ln *net.TCPListener
	c.B.Do(t, func() {
		var err error
		ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(listen, 0)))
		must(t, err)
	})
	defer ln.Close()
	port := uint16(ln.Addr().(*net.TCPAddr).Port)
	c.A.Do(t, func() {
		var err error
		a, err = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(dial, port)))
		must(t, err)
	})
	b, err := ln.AcceptTCP()
	must(t, err)
	for _, conn := range []*net.TCPConn{a, b} {
		t.Cleanup(func() { conn.Close() })
		must(t, conn.SetDeadline(time.Now().Add(connectionTime)))
	}
	return a, b
}

// Arm gives both ends of a connection their keys.
func (c *Cable) Arm(t testing.TB, s Setting, a, b *net.TCPConn) {
	t.Helper()
	fromA, fromB := s.Keys()
	must(t, raw.Enable(b, fromB, fromA))
	must(t, raw.Enable(a, fromA, fromB))
}

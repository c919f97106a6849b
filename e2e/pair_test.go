package e2e

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// pair is a connection over loopback with static keys, held as two blocking
// file descriptors: a sends, b receives.
type pair struct {
	a, b         int
	files        [2]*os.File
	conns        [2]*net.TCPConn
	lport, rport int
	info         raw.CryptoInfo
	connect      func(*testing.T) (a, b *net.TCPConn)
}

var rawCiphers = map[string]raw.Cipher{
	"AES-GCM-128": raw.AES128GCM, "AES-GCM-256": raw.AES256GCM, "CHACHA20-POLY1305": raw.ChaCha20Poly1305,
	"AES-CCM-128": raw.AES128CCM, "SM4-GCM": raw.SM4GCM, "SM4-CCM": raw.SM4CCM,
	"ARIA-GCM-128": raw.ARIA128GCM, "ARIA-GCM-256": raw.ARIA256GCM,
}

func wireVersion(s security) uint16 {
	if s.Version == "1.2" {
		return 0x0303
	}
	return 0x0304
}

// rawInfo makes keys that must not be used elsewhere.
func rawInfo(s security) raw.CryptoInfo {
	c := rawCiphers[s.Cipher]
	key, salt, iv, _ := c.Sizes()
	return raw.CryptoInfo{Version: wireVersion(s), Cipher: c,
		Key: pattern(key, 1), Salt: pattern(salt, 2), IV: pattern(iv, 3)}
}

// tcpPair is a connection over IPv4 without TLS.
func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	return dialPair(t, "127.0.0.1:0", "127.0.0.1")
}

// dialPair listens on an address and port and connects to it by the host dial.
func dialPair(t *testing.T, listen, dial string) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", listen)
	must(t, err)
	defer ln.Close()
	c, err := net.Dial("tcp", net.JoinHostPort(dial, strconv.Itoa(port(ln.Addr()))))
	must(t, err)
	s, err := ln.Accept()
	must(t, err)
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

func newPair(t *testing.T, s security) *pair {
	t.Helper()
	return newPairOver(t, s, tcpPair)
}

// newPairOver is a pair on connections that connect makes.
func newPairOver(t *testing.T, s security, connect func(*testing.T) (a, b *net.TCPConn)) *pair {
	t.Helper()
	return (&pair{info: rawInfo(s), connect: connect}).another(t)
}

// another is a new connection with the same keys.
func (p *pair) another(t *testing.T) *pair {
	t.Helper()
	a, b := p.connect(t)
	must(t, raw.Enable(a, &p.info, nil))
	must(t, raw.Enable(b, nil, &p.info))
	q := newPlainPair(t, a, b, p.info)
	q.connect = p.connect
	return q
}

func newPlainPair(t *testing.T, a, b *net.TCPConn, info raw.CryptoInfo) *pair {
	t.Helper()
	p := &pair{lport: port(a.LocalAddr()), rport: port(a.RemoteAddr()), info: info, conns: [2]*net.TCPConn{a, b}}
	for i, c := range p.conns {
		f, err := c.File()
		must(t, err)
		p.files[i] = f
	}
	p.a, p.b = int(p.files[0].Fd()), int(p.files[1].Fd())
	for _, fd := range []int{p.a, p.b} {
		must(t, unix.SetNonblock(fd, false))
		tv := unix.NsecToTimeval(int64(patience))
		must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
		must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv))
	}
	return p
}

func (p *pair) close() {
	p.closeEnd(0)
	p.closeEnd(1)
}

// closeEnd closes this process' descriptors of one end: 0 for a, 1 for b.
func (p *pair) closeEnd(i int) {
	p.files[i].Close()
	p.conns[i].Close()
}

// arrived waits until all that a has sent is in b's receive queue. The kernel may leave the way there to a
// thread, which a busy machine keeps waiting. TCP acknowledges before TLS looks at what arrived, and both
// hold the receiver's lock, which TCP_INFO takes.
func (p *pair) arrived(t *testing.T) {
	t.Helper()
	eventually(t, "all that was sent acknowledged", func() bool {
		n, err := unix.IoctlGetInt(p.a, unix.TIOCOUTQ)
		must(t, err)
		return n == 0
	})
	_, err := unix.GetsockoptTCPInfo(p.b, unix.SOL_TCP, unix.TCP_INFO)
	must(t, err)
}

// taken waits until b's reader has opened all that arrived, which has left TCP's queue then.
func (p *pair) taken() error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if n, err := unix.IoctlGetInt(p.b, unix.TIOCINQ); n == 0 || err != nil {
			return err
		}
	}
	return errors.New("nobody reads")
}

// ready reports whether an event is there within a time.
func ready(t *testing.T, fd int, event int16, within time.Duration) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: event}}
	must(t, again(func() error { _, err := unix.Poll(fds, int(within.Milliseconds())); return err }))
	return fds[0].Revents != 0
}

// recordType is the control message that sets a record's type.
func recordType(typ byte) []byte {
	oob := make([]byte, unix.CmsgSpace(1))
	binary.NativeEndian.PutUint64(oob, uint64(unix.CmsgLen(1)))
	binary.NativeEndian.PutUint32(oob[8:], unix.SOL_TLS)
	binary.NativeEndian.PutUint32(oob[12:], 1) // TLS_SET_RECORD_TYPE
	oob[unix.CmsgLen(0)] = typ
	return oob
}

// again repeats a call until it is not interrupted: io_uring interrupts its thread's
// calls to finish its own work, before they have done anything.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// send sends all of b, by one call unless that is interrupted.
func (p *pair) send(t *testing.T, b []byte, flags int) {
	t.Helper()
	for more := true; more; more = len(b) > 0 {
		var n int
		must(t, again(func() (err error) { n, err = sendto(p.a, b, flags); return err }))
		b = b[n:]
	}
}

func (p *pair) sendControl(t *testing.T, typ byte, b []byte) {
	t.Helper()
	must(t, again(func() error { return unix.Sendmsg(p.a, b, recordType(typ), nil, 0) }))
}

// recvfrom reads once.
func (p *pair) recvfrom(t *testing.T, b []byte, flags int) (n int) {
	t.Helper()
	must(t, again(func() (err error) { n, _, err = unix.Recvfrom(p.b, b, flags); return err }))
	return n
}

// recv reads exactly n bytes by calls of at most chunk bytes.
func (p *pair) recv(t *testing.T, n, chunk int) []byte {
	t.Helper()
	var all []byte
	buf := make([]byte, chunk)
	for len(all) < n {
		m := p.recvfrom(t, buf[:min(chunk, n-len(all))], 0)
		if m == 0 {
			t.Fatalf("end after %d of %d bytes", len(all), n)
		}
		all = append(all, buf[:m]...)
	}
	return all
}

// recvControl reads one record with room for its type.
func (p *pair) recvControl(t *testing.T, size int) ([]byte, byte) {
	t.Helper()
	buf, oob := make([]byte, size), make([]byte, unix.CmsgSpace(1))
	var n, oobn int
	must(t, again(func() (err error) { n, oobn, _, _, err = unix.Recvmsg(p.b, buf, oob, 0); return err }))
	if oobn < unix.CmsgLen(1) {
		t.Fatal("no record type")
	}
	return buf[:n], oob[unix.CmsgLen(0)]
}

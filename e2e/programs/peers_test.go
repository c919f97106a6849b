package programs

import (
	"crypto/sha256"
	"crypto/tls"
	"hash"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// peers are ends of connections in the test itself, with Go's TLS in user space. They
// count what a program received and sent, independent of the kernel and ktlstop.
type peers struct {
	mu  sync.Mutex
	all []*peer
}

// A peer is a connection that counts its plaintext.
type peer struct {
	net.Conn
	mu          sync.Mutex
	wrote, read digest
}

// digest is the number of bytes in one direction, and their checksum.
type digest struct {
	n   int
	sum hash.Hash
}

func (d *digest) add(b []byte) {
	if d.sum == nil {
		d.sum = sha256.New()
	}
	d.n += len(b)
	d.sum.Write(b)
}

// is reports whether these are the bytes.
func (d *digest) is(b []byte) bool {
	var other digest
	d.add(nil)
	other.add(b)
	return d.n == other.n && string(d.sum.Sum(nil)) == string(other.sum.Sum(nil))
}

func (p *peer) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read.add(b[:n])
	return n, err
}

func (p *peer) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrote.add(b[:n])
	return n, err
}

// ports are the program's end of the connection and the peer's.
func (p *peer) ports() (program, own int) {
	return p.RemoteAddr().(*net.TCPAddr).Port, p.LocalAddr().(*net.TCPAddr).Port
}

func (ps *peers) add(c net.Conn) *peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := &peer{Conn: c}
	ps.all = append(ps.all, p)
	return p
}

// dial makes a connection by TLS of a version.
func (ps *peers) dial(port int, version uint16, protocol string) (*peer, error) {
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
	if protocol != "" {
		conf.NextProtos = []string{protocol}
	}
	c, err := tls.Dial("tcp", address(port), conf)
	if err != nil {
		return nil, err
	}
	return ps.add(c), c.SetDeadline(time.Now().Add(patience))
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// check compares the bytes that one side, a program, sent and received with those that
// these peers received and sent, and returns their number.
func (ps *peers) check(t *testing.T, got *trace, s side) (n int) {
	t.Helper()
	for _, p := range ps.all {
		program, own := p.ports()
		n += p.same(t, got, "sent", event.TX, &p.read) + p.same(t, got, "got", event.RX, &p.wrote)
		if (s.serves() && program != s.port) || (!s.serves() && own != s.port) {
			t.Errorf("a connection of ports %d and %d is none to %d", program, own, s.port)
		}
	}
	if conns := got.modes(s); len(conns) != len(ps.all) {
		t.Errorf("ktlstop saw %d connections of %s to port %d, there were %d", len(conns), s.program, s.port, len(ps.all))
	}
	return n
}

// same compares one direction.
func (p *peer) same(t *testing.T, got *trace, did string, dir event.Dir, truth *digest) int {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	program, own := p.ports()
	shown, n := got.stream(program, own, dir)
	if n != truth.n || !truth.is(shown) {
		t.Errorf("port %d %s %d bytes, of which %d are shown; the peer at port %d says %d", program, did, n, len(shown), own, truth.n)
	}
	return n
}

package ktls

import (
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// ticketFeeder hands the NewSessionTicket messages that the kernel opened back to
// crypto/tls, which alone can make sessions of them and put them into the client's session
// cache. It seals each message again, under the server's first traffic secret and at the
// sequence number where crypto/tls stands, and lets tls.Conn read it from memory.
type ticketFeeder struct {
	conn   *tls.Conn
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
	sealed []byte
	broken bool
}

// newTicketFeeder returns nil where no tickets are wanted.
func newTicketFeeder(conn *tls.Conn, wanted bool, h *handover) (*ticketFeeder, error) {
	if !wanted || h.version != tls.VersionTLS13 {
		return nil, nil
	}
	aead, err := h.suite.aead(h.rx.key)
	if err != nil {
		return nil, err
	}
	return &ticketFeeder{conn: conn, aead: aead, iv: append([]byte(nil), h.rx.iv...)}, nil
}

// maxPlaintext is the most bytes that a record may carry (RFC 8446, section 5.1).
const maxPlaintext = 16384

// feed gives crypto/tls one message. A ticket that it does not like is a ticket lost, which
// is no error: dropping tickets is legal.
func (f *ticketFeeder) feed(msg []byte) {
	if f == nil || f.broken {
		return
	}
	for len(msg) > 0 {
		n := min(len(msg), maxPlaintext)
		f.seal(msg[:n])
		msg = msg[n:]
	}
	var none [1]byte
	_, err := f.conn.Read(none[:])
	f.broken = err != errFed
}

// seal appends a TLS 1.3 record (RFC 8446, section 5.2) with a piece of a handshake
// message.
func (f *ticketFeeder) seal(content []byte) {
	inner := append(append(make([]byte, 0, len(content)+1), content...), byte(raw.TypeHandshake))
	header := []byte{byte(raw.TypeApplicationData), 3, 3}
	header = binary.BigEndian.AppendUint16(header, uint16(len(inner)+f.aead.Overhead()))
	f.sealed = append(f.sealed, header...)
	f.sealed = f.aead.Seal(f.sealed, nonce13(f.iv, f.seq), inner, header)
	f.seq++
}

// Read gives crypto/tls what was sealed, and then an error that it takes for a passing one.
func (f *ticketFeeder) Read(p []byte) (int, error) {
	if len(f.sealed) == 0 {
		return 0, errFed
	}
	n := copy(p, f.sealed)
	f.sealed = f.sealed[n:]
	return n, nil
}

// Write drops what crypto/tls would send: only the kernel has the right sequence number.
func (f *ticketFeeder) Write(p []byte) (int, error) { return len(p), nil }

// fedError says that there is nothing more to read for now. It is a net.Error that is
// temporary, the one kind that crypto/tls does not hold against a connection.
type fedError struct{}

var errFed = fedError{}

func (fedError) Error() string   { return "ktls: no more tickets" }
func (fedError) Timeout() bool   { return true }
func (fedError) Temporary() bool { return true }

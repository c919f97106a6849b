package ktls

import (
	"crypto/tls"
	"errors"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// Handshake message types that may come after the handshake (RFC 8446, section 4).
const (
	typeHelloRequest     = 0 // TLS 1.2
	typeNewSessionTicket = 4
	typeKeyUpdate        = 24
)

const (
	// maxMessage bounds a handshake message in bytes, as crypto/tls does.
	maxMessage = 65536
	// maxUseless bounds the records without data in a row, as crypto/tls does.
	maxUseless = 16
)

// fragments puts control messages together: a reader with a small buffer gets a record in
// pieces, and a handshake message may span records anyway.
type fragments struct {
	typ raw.ContentType // of buf; 0 when buf is empty
	buf []byte
}

var (
	errMessageTooLong = errors.New("ktls: handshake message is too long")
	errTooMany        = errors.New("ktls: too many ignored records")
)

// next cuts the first whole message off: a handshake message with its header of 4 bytes, or
// an alert of 2 bytes. It returns nil when more bytes are needed.
func (f *fragments) next() ([]byte, error) {
	want := 2
	if f.typ == raw.TypeHandshake {
		if len(f.buf) < 4 {
			return nil, nil
		}
		want = 4 + int(f.buf[1])<<16 + int(f.buf[2])<<8 + int(f.buf[3])
	}
	if want > maxMessage {
		return nil, errMessageTooLong
	}
	if len(f.buf) < want {
		return nil, nil
	}
	msg := f.buf[:want:want]
	f.buf = f.buf[want:]
	return msg, nil
}

// control deals with a piece of a record that is not application data, and with empty
// application data. It returns nil when the reader should go on. The caller holds readMu.
func (k *kernelLayer) control(typ raw.ContentType, p []byte) error {
	switch {
	case len(k.pending.buf) > 0 && typ != k.pending.typ: // RFC 8446, section 5.1
		return k.fail(alertUnexpectedMessage, nil)
	case typ == raw.TypeApplicationData:
		return k.countUseless()
	}
	if len(p) == 0 || typ != raw.TypeAlert && typ != raw.TypeHandshake {
		return k.fail(alertUnexpectedMessage, nil)
	}
	k.pending.typ = typ
	k.pending.buf = append(k.pending.buf, p...)
	return k.deliver()
}

// countUseless bounds what a peer can make a reader do without giving it data.
func (k *kernelLayer) countUseless() error {
	if k.useless++; k.useless > maxUseless {
		return k.fail(alertUnexpectedMessage, errTooMany)
	}
	return nil
}

// deliver acts on each message that is complete.
func (k *kernelLayer) deliver() error {
	for {
		msg, err := k.pending.next()
		switch {
		case err != nil:
			return k.fail(alertInternalError, err)
		case msg == nil:
			return nil
		case k.pending.typ == raw.TypeAlert:
			err = k.receivedAlert(msg[0], tls.AlertError(msg[1]))
		default:
			err = k.receivedHandshake(msg)
		}
		if err == nil {
			err = k.countUseless()
		}
		if err != nil {
			return err
		}
	}
}

func (k *kernelLayer) receivedHandshake(msg []byte) error {
	typ, body := msg[0], msg[4:]
	switch {
	case !k.is13() && typ == typeHelloRequest && k.isClient:
		return k.fail(alertNoRenegotiation, nil)
	case !k.is13():
		return k.fail(alertUnexpectedMessage, nil)
	case typ == typeNewSessionTicket && k.isClient:
		k.tickets.feed(msg)
		return nil
	case typ == typeKeyUpdate && len(body) != 1:
		return k.fail(alertDecodeError, nil)
	case typ == typeKeyUpdate && len(k.pending.buf) == 0: // it must end its record
		return k.receivedUpdate(body[0])
	}
	return k.fail(alertUnexpectedMessage, nil)
}

package ktls

import (
	"crypto/tls"
	"io"
	"net"
)

// Alert levels and descriptions that this package sends or treats specially (RFC 8446,
// section 6; RFC 5246, section 7.2).
const (
	levelWarning = 1
	levelFatal   = 2

	alertCloseNotify       tls.AlertError = 0
	alertUnexpectedMessage tls.AlertError = 10
	alertBadRecordMAC      tls.AlertError = 20
	alertRecordOverflow    tls.AlertError = 22
	alertIllegalParameter  tls.AlertError = 47
	alertDecodeError       tls.AlertError = 50
	alertProtocolVersion   tls.AlertError = 70
	alertInternalError     tls.AlertError = 80
	alertUserCanceled      tls.AlertError = 90
	alertNoRenegotiation   tls.AlertError = 100
)

// alertBytes is an alert record's content.
func alertBytes(a tls.AlertError) []byte {
	level := byte(levelFatal)
	if a == alertCloseNotify || a == alertNoRenegotiation {
		level = levelWarning
	}
	return []byte{level, byte(a)}
}

// receivedAlert returns what an alert from the peer means to a reader: io.EOF for
// close_notify, a *net.OpError with a tls.AlertError for a fatal one, nil for one to skip.
func (k *kernelLayer) receivedAlert(level byte, a tls.AlertError) error {
	switch {
	case a == alertCloseNotify:
		k.readErr = io.EOF
	case k.is13() && a == alertUserCanceled, !k.is13() && level == levelWarning:
		return nil
	case !k.is13() && level != levelFatal:
		return k.fail(alertUnexpectedMessage, nil)
	default:
		k.readErr = &net.OpError{Op: "remote error", Err: a}
	}
	return k.readErr
}

// fatalAlert is an end that this side decided on: the alert for the peer and the error for its
// own readers and writers.
type fatalAlert struct {
	alert tls.AlertError
	err   error
}

// fail ends both directions: the peer is sent the alert, as far as there is room for it,
// and readers and writers get cause or, without one, the alert itself. The caller holds
// readMu.
func (k *kernelLayer) fail(a tls.AlertError, cause error) error {
	if cause == nil {
		cause = &net.OpError{Op: "local error", Err: a}
	}
	k.readErr = cause
	k.fatal.Store(&fatalAlert{a, cause})
	k.sendPendingSoon()
	return cause
}

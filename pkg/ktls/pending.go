package ktls

import (
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// A reader can find that something must be sent: the answer to a KeyUpdate, or an alert. It
// must not wait for a writer that waits for the peer, which may wait for the reader. So it
// leaves a note (answerDue, fatal), which it acts on only if no writer is at work; else the next
// write does. RFC 8446, section 4.6.3, asks for no more than that.

// sendPendingSoon sends what is pending at once if nobody is writing and the socket has room.
func (k *kernelLayer) sendPendingSoon() {
	if !k.writing.tryLock() {
		return
	}
	defer k.writing.unlock()
	_ = k.sendPending(k.sock.trySend)
}

// sendPending sends what is due and returns the error that stands in the way of writing. The
// caller holds the writing gate.
func (k *kernelLayer) sendPending(send sendFunc) error {
	if k.writeErr != nil {
		return k.writeErr
	}
	if d := k.fatal.Load(); d != nil {
		k.writeErr = d.err
		_ = send(raw.TypeAlert, alertBytes(d.alert))
		return k.writeErr
	}
	if !k.answerDue.Swap(false) {
		return nil
	}
	err := k.changeTX(updateNotRequested, send)
	if err != nil && k.writeErr == nil {
		k.answerDue.Store(true) // there was no room for it
	}
	return err
}

type sendFunc func(typ raw.ContentType, p []byte) error

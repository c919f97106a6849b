package ktls

import (
	"context"
	"errors"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// KeyUpdateRequest values (RFC 8446, section 4.6.3).
const (
	updateNotRequested = 0
	updateRequested    = 1
)

// ErrKeyUpdateVersion is KeyUpdate's answer on connections below TLS 1.3, which have none.
var ErrKeyUpdateVersion = errors.New("ktls: KeyUpdate needs TLS 1.3")

// KeyUpdate changes the key that this end sends with and asks the peer to change its own,
// which shows when the peer's answer is read (RFC 8446, section 4.6.3). ctx bounds the wait
// for writers and for room in the socket. Kernels before 6.14 cannot: [ErrRekey], and the
// connection goes on with the old key. On a connection in user space the error is
// [ErrNotOffloaded]: crypto/tls never starts a KeyUpdate.
//
// A connection in the kernel also changes its sending key on its own, before the limit of
// RFC 8446, section 5.5. KeyUpdate is for programs that want it earlier.
func (c *Conn) KeyUpdate(ctx context.Context) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	k, err := c.kernel()
	if err != nil {
		return err
	}
	if err := k.writing.lockContext(ctx); err != nil {
		return err
	}
	defer k.writing.unlock()
	defer c.interruptWrite(ctx)()
	if err := k.startUpdate(); err != nil {
		return errors.Join(err, ctx.Err())
	}
	return nil
}

// interruptWrite makes ctx's end a write deadline until the returned function is called.
func (c *Conn) interruptWrite(ctx context.Context) (restore func()) {
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.conn.SetWriteDeadline(time.Unix(1, 0))
		close(set)
	})
	return func() {
		if !stop() {
			<-set
			_ = c.conn.SetWriteDeadline(c.writeDeadline())
		}
	}
}

// startUpdate is KeyUpdate with the writing gate held.
func (k *kernelLayer) startUpdate() error {
	if !k.is13() {
		return ErrKeyUpdateVersion
	}
	if err := k.sendPending(k.sock.send); err != nil {
		return err
	}
	if err := k.sock.canRekey(); err != nil {
		return err
	}
	return k.changeTX(updateRequested, k.sock.send)
}

// changeTX sends a KeyUpdate, the last record under the old key, and changes to the next
// one. When the record cannot be sent nothing has changed. The caller holds the writing
// gate.
func (k *kernelLayer) changeTX(request byte, send sendFunc) error {
	if err := send(raw.TypeHandshake, []byte{typeKeyUpdate, 0, 0, 1, request}); err != nil {
		return err
	}
	next, err := k.changeKey(raw.TX, k.txSecret)
	if err != nil {
		k.writeErr = err // the peer expects a key that the kernel does not have
		return err
	}
	k.txSecret = next
	return nil
}

// receivedUpdate changes the receive key. Until then the kernel opens no further record
// (EKEYEXPIRED). The caller holds readMu.
func (k *kernelLayer) receivedUpdate(request byte) error {
	if request > updateRequested {
		return k.fail(alertIllegalParameter, nil)
	}
	next, err := k.changeKey(raw.RX, k.rxSecret)
	if err != nil {
		return k.fail(alertInternalError, err)
	}
	k.rxSecret = next
	if request == updateRequested {
		k.answerDue.Store(true)
		k.sendPendingSoon()
	}
	return nil
}

// changeKey gives the kernel the key after secret's, and returns the secret after it.
func (k *kernelLayer) changeKey(dir raw.Direction, secret []byte) ([]byte, error) {
	next, err := k.suite.nextSecret(secret)
	if err != nil {
		return nil, err
	}
	keys, err := k.suite.trafficKeys(next)
	if err != nil {
		return nil, err
	}
	defer keys.wipe()
	if err := k.sock.setKeys(dir, k.suite.cryptoInfo(k.version, keys, 0)); err != nil {
		return nil, err
	}
	clear(secret)
	return next, nil
}

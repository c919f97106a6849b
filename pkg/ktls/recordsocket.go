package ktls

import (
	"crypto/tls"
	"io"
	"net"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// recordSocket is a connection whose records someone below seals and opens. Today that is a
// Linux socket; a standard kernel TLS API (golang/go#44506) could take its place.
type recordSocket interface {
	net.Conn // Write sends application data
	io.ReaderFrom
	// writeBuffers sends application data from several slices, none of them empty, and
	// consumes what it has sent.
	writeBuffers(v *net.Buffers) (int64, error)

	// recv reads from the next record. Type 0 is the end of the stream.
	recv(p []byte) (int, raw.ContentType, error)
	// send sends one record, waiting up to the write deadline.
	send(typ raw.ContentType, p []byte) error
	// trySend sends one record if there is room for it at once.
	trySend(typ raw.ContentType, p []byte) error
	// setKeys sets or changes one direction's keys.
	setKeys(dir raw.Direction, info *raw.CryptoInfo) error
	// setZeroCopy and setNoPad are Conn.SetZeroCopy and Conn.SetNoPad.
	setZeroCopy(on bool) error
	setNoPad(on bool) error
	// setMaxPayload is Conn.SetMaxPayload.
	setMaxPayload(n int) error
	// sealed returns how many records the present key has sealed. TLS 1.3 counts from 0
	// under each key.
	sealed() (uint64, error)
	// canRekey reports whether setKeys can change keys.
	canRekey() error
	// offload reports who makes the records, the kernel or the network card.
	offload() Offload
	// truncated reports whether the stream ended within a record.
	truncated() bool
}

// recordError is a record that could not be opened, with the alert that it deserves.
type recordError struct {
	alert tls.AlertError
	err   error
}

func (e *recordError) Error() string {
	return "ktls: open record: " + e.alert.Error() + ": " + e.err.Error()
}
func (e *recordError) Unwrap() error { return e.err }

// install hands both directions to the socket. started reports whether the first of them was
// taken: from then on there is no way back to user space.
func (h *handover) install(sock recordSocket) (started bool, err error) {
	defer h.wipeKeys()
	if err := sock.setKeys(raw.TX, h.suite.cryptoInfo(h.version, h.tx, h.txSeq)); err != nil {
		return false, err
	}
	return true, sock.setKeys(raw.RX, h.suite.cryptoInfo(h.version, h.rx, h.rxSeq))
}

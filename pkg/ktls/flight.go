package ktls

import (
	"bytes"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// randomEnd is where a hello's random ends: after the message header (4), the version (2)
// and the random itself (32) (RFC 8446, section 4.1.2).
const randomEnd = 4 + 2 + 32

// flight is what one direction of the handshake showed on the wire: just enough to derive
// TLS 1.2's keys and to know the sequence numbers at the handover.
type flight struct {
	scan recordScanner
	// keepSealed asks whether sealed records of this direction are wanted.
	keepSealed func() bool

	hello     []byte   // the start of the first handshake message, up to its random
	ccs       bool     // change_cipher_spec was seen
	afterCCS  int      // records since then
	lastLen   int      // length in bytes of the last record, header included
	candidate [][]byte // sealed records that may be under the application key
}

func newFlight(keepSealed func() bool) *flight {
	f := &flight{keepSealed: keepSealed}
	f.scan.visit = f.record
	return f
}

func (f *flight) record(rec []byte) {
	f.lastLen = len(rec)
	typ := raw.ContentType(rec[0])
	switch {
	case typ == raw.TypeChangeCipherSpec:
		f.ccs = true
		return
	case f.ccs:
		f.afterCCS++
	case typ == raw.TypeHandshake && len(f.hello) < randomEnd:
		f.hello = append(f.hello, rec[recordHeaderLen:]...)
		f.hello = f.hello[:min(len(f.hello), randomEnd)]
	}
	if typ == raw.TypeApplicationData && f.keepSealed() {
		f.candidate = append(f.candidate, bytes.Clone(rec))
	}
}

// random returns the hello's random, or nil if no whole one was seen.
func (f *flight) random() []byte {
	if len(f.hello) < randomEnd {
		return nil
	}
	return f.hello[randomEnd-32 : randomEnd]
}

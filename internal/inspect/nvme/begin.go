package nvme

import (
	"encoding/binary"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Verdict is how certainly bytes are the beginning of a PDU.
type Verdict uint8

// The verdicts. More needs more bytes; Maybe is a header with few known values.
const (
	No Verdict = iota
	More
	Maybe
	Sure
)

// Begins reports whether a PDU begins with b.
func Begins(b []byte) Verdict {
	if len(b) < commonLen {
		if len(b) >= 3 && shapes[kind(b[0])].header == b[2] {
			return More
		}
		return No
	}
	h, ok := parseCommon(b)
	switch {
	case !ok:
		return No
	case len(b) < int(h.shape.header):
		return More
	}
	switch h.b = b[:h.shape.header]; h.kind {
	case icReq, icResp:
		return initial(h.b)
	case capsule:
		return command(h.b[commonLen:])
	}
	return Maybe
}

// initial: the rest of an initialisation is reserved.
func initial(b []byte) Verdict {
	for _, c := range b[16:] {
		if c != 0 {
			return No
		}
	}
	if binary.LittleEndian.Uint16(b[8:]) != 0 { // the version
		return No
	}
	return Sure
}

// The bits of a command that say that an SGL describes its data, which Fabrics
// requires, NVM Express Base Specification 2.0 §3.3.3.1.
const (
	describes    = 0xc0
	describedSGL = 0x40
)

// command checks a command. Each command says how its data is described, and the SGL of
// TCP is one of two: in the capsule, or by the transport.
func command(b []byte) Verdict {
	s := parseSubmission(b)
	known := s.opcode == fabrics || adminOpcodes[s.opcode] != "" || ioOpcodes[s.opcode] != ""
	sgl := b[39]
	switch {
	case b[1]&describes != describedSGL:
		return No
	case known && (sgl == 0x01 || sgl == 0x5a || sgl == 0):
		return Sure
	}
	return Maybe
}

// begins is Begins with what is known of the connection.
func (k *Conn) begins(d event.Dir, b []byte) Verdict {
	v := Begins(b)
	if v == No || v == More {
		return v
	}
	h, _ := parseCommon(b)
	h.b = b[:h.shape.header]
	switch {
	case !k.mayCome(d, &h):
		return No
	case k.proves(d, &h):
		return Sure
	}
	return v
}

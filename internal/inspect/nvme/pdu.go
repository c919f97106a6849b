package nvme

import "encoding/binary"

// kind is the type of a PDU, §3.6.
type kind uint8

const (
	icReq   kind = 0
	icResp  kind = 1
	h2cTerm kind = 2
	c2hTerm kind = 3
	capsule kind = 4
	resp    kind = 5
	h2cData kind = 6
	c2hData kind = 7
	r2t     kind = 9
)

// The flags of a PDU, §3.6.
const (
	headerDigest = 1 << 0
	dataDigest   = 1 << 1
	lastData     = 1 << 2
	success      = 1 << 3
)

const (
	commonLen = 8
	// maxHeader is the longest header of a PDU.
	maxHeader = 128
	digestLen = 4
	// maxPDU limits the length of a PDU that is accepted: commands transfer some
	// megabytes at most.
	maxPDU = 64 << 20
)

// shape describes a type of PDU.
type shape struct {
	header uint8 // its length
	flags  uint8 // those it may have
	data   bool
	// host says that the host sends it, not the controller.
	host bool
}

var shapes = map[kind]shape{
	icReq:   {header: 128, host: true},
	icResp:  {header: 128},
	h2cTerm: {header: 24, data: true, host: true},
	c2hTerm: {header: 24, data: true},
	capsule: {header: 72, flags: headerDigest | dataDigest, data: true, host: true},
	resp:    {header: 24, flags: headerDigest},
	h2cData: {header: 24, flags: headerDigest | dataDigest | lastData, data: true, host: true},
	c2hData: {header: 24, flags: headerDigest | dataDigest | lastData | success, data: true},
	r2t:     {header: 24, flags: headerDigest},
}

// header is the common header of a PDU, §3.6.1, with the type's own part after it.
type header struct {
	shape
	kind   kind
	flags  uint8
	length uint32 // of the PDU
	offset uint8  // of its data, 0 for none
	b      []byte // the header, as long as the shape says
}

// parseCommon reads a common header; false says that it cannot be one.
func parseCommon(b []byte) (header, bool) {
	h := header{kind: kind(b[0]), flags: b[1], offset: b[3], length: binary.LittleEndian.Uint32(b[4:])}
	var ok bool
	h.shape, ok = shapes[h.kind]
	return h, ok && b[2] == h.shape.header && h.plausible()
}

// plausible reports whether lengths and flags are consistent.
func (h *header) plausible() bool {
	least := uint32(h.shape.header)
	if h.flags&headerDigest != 0 {
		least += digestLen
	}
	switch {
	case h.flags&^h.shape.flags != 0, h.length < least, h.length > maxPDU:
		return false
	case !h.data:
		return h.length == least && h.offset == 0
	case h.kind == h2cTerm || h.kind == c2hTerm: // the faulty header follows
		return h.length <= 24+128
	case h.length == least:
		return h.kind == capsule
	}
	return uint32(h.offset) >= least && uint32(h.offset) <= h.length && h.offset%4 == 0
}

// command is the identifier of the command that a PDU belongs to, if it has one.
func (h *header) command() (uint16, bool) {
	switch h.kind {
	case capsule:
		return binary.LittleEndian.Uint16(h.b[10:]), true
	case resp:
		return binary.LittleEndian.Uint16(h.b[20:]), true
	case h2cData, c2hData, r2t:
		return binary.LittleEndian.Uint16(h.b[8:]), true
	}
	return 0, false
}

// carried is how many bytes of data a PDU carries.
func (h *header) carried() uint64 {
	switch h.kind {
	case h2cData, c2hData:
		return uint64(binary.LittleEndian.Uint32(h.b[16:]))
	case capsule:
		n := int64(h.length) - int64(h.offset)
		if h.flags&dataDigest != 0 {
			n -= digestLen
		}
		if h.offset == 0 || n < 0 {
			return 0
		}
		return uint64(n)
	}
	return 0
}

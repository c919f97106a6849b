package kernel

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// TypeMessage builds the TLS_SET_RECORD_TYPE control message: a struct cmsghdr, whose first
// field is as wide as a size_t, and one byte.
func TypeMessage(typ byte) []byte {
	b := make([]byte, unix.CmsgSpace(1))
	tail := unix.SizeofCmsghdr - 8 // level and type follow the length
	if tail == 8 {
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(1)))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(unix.CmsgLen(1)))
	}
	binary.NativeEndian.PutUint32(b[tail:], unix.SOL_TLS)
	binary.NativeEndian.PutUint32(b[tail+4:], cmsgSetType)
	b[unix.CmsgLen(0)] = typ
	return b
}

// MessageType reads TLS_GET_RECORD_TYPE. It is 0 at the end of the stream, where the kernel
// adds no control message, and also on a direction without keys.
func MessageType(oob []byte) byte {
	if len(oob) == 0 {
		return 0
	}
	hdr, data, _, err := unix.ParseOneSocketControlMessage(oob)
	if err != nil || hdr.Level != unix.SOL_TLS || hdr.Type != cmsgGetType || len(data) < 1 {
		return 0
	}
	return data[0]
}

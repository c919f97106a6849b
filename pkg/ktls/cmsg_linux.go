package ktls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// typeMessage builds the TLS_SET_RECORD_TYPE control message: a struct cmsghdr, whose first
// field is as wide as a size_t, and one byte.
func typeMessage(typ ContentType) []byte {
	b := make([]byte, unix.CmsgSpace(1))
	tail := unix.SizeofCmsghdr - 8 // level and type follow the length
	if tail == 8 {
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(1)))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(unix.CmsgLen(1)))
	}
	binary.NativeEndian.PutUint32(b[tail:], unix.SOL_TLS)
	binary.NativeEndian.PutUint32(b[tail+4:], cmsgSetType)
	b[unix.CmsgLen(0)] = byte(typ)
	return b
}

package ktls

import (
	"encoding/binary"
	"os"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// sealed asks the kernel for TLS_TX, whose last 8 bytes are the sequence number of the next record.
func (s *tcpSocket) sealed() (uint64, error) {
	key, salt, iv, ok := s.cipher.Sizes()
	if !ok {
		return 0, &OffloadError{Op: "get TLS_TX", Reason: ErrNotOffloaded}
	}
	info := make([]byte, 4+iv+key+salt+8)
	defer clear(info) // the key is in it
	if err := kernel.Info(s.TCPConn, int(raw.TX), info); err != nil {
		return 0, &OffloadError{Op: "get TLS_TX", Reason: ErrRefused, Cause: os.NewSyscallError("getsockopt", err)}
	}
	return binary.BigEndian.Uint64(info[len(info)-8:]), nil
}

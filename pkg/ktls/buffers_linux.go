package ktls

import (
	"net"

	"golang.org/x/sys/unix"
)

// maxSlices is how many slices one system call takes (UIO_MAXIOV, linux/uio.h).
const maxSlices = 1024

// writeBuffers sends v with as few sendmsg(2) calls as possible. It does not use writev(2), as
// net.Buffers does: writev(2) has no MSG_MORE, so each call of 1,024 slices would end a
// record.
func (s *tcpSocket) writeBuffers(v *net.Buffers) (total int64, err error) {
	var sendErr error
	waitErr := s.rc.Write(func(fd uintptr) bool {
		for len(*v) > 0 {
			var n int
			n, sendErr = sendBuffers(int(fd), *v)
			total += int64(n)
			consume(v, n)
			if sendErr != nil {
				break
			}
		}
		return sendErr != unix.EAGAIN
	})
	if waitErr != nil {
		return total, renamed("write", waitErr)
	}
	return total, s.callError("write", "sendmsg", sendErr)
}

// sendBuffers sends as much of v as one call takes. If more follows, MSG_MORE keeps the last
// record open, and the next call fills it.
func sendBuffers(fd int, v net.Buffers) (int, error) {
	flags := unix.MSG_NOSIGNAL
	if len(v) > maxSlices {
		v = v[:maxSlices]
		flags |= unix.MSG_MORE
	}
	for {
		n, err := unix.SendmsgBuffers(fd, v, nil, nil, flags)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

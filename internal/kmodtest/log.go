package kmodtest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// A kernelLog reads the kernel's messages from a moment on
// (Documentation/ABI/testing/dev-kmsg).
type kernelLog struct{ fd int }

func openLog() (*kernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("find the end of /dev/kmsg: %w", err)
	}
	return &kernelLog{fd}, nil
}

func (l *kernelLog) Close() { unix.Close(l.fd) }

// complaint is the beginning of messages of the kernel's own checks.
var complaint = regexp.MustCompile(`\b(BUG|WARNING|KASAN|KFENCE|UBSAN|KCSAN)\b|Oops|refcount_t:|general protection|unable to handle|soft lockup|blocked for more than|unregister_netdevice: waiting|suspected memory leak|scheduling while atomic|possible .* locking|Objects remaining in`)

// complaints reads all messages since the last call, and returns the lines that complain.
func (l *kernelLog) complaints() (lines []string) {
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(l.fd, buf)
		if errors.Is(err, unix.EPIPE) { // older messages than these were overwritten
			continue
		}
		if err != nil || n == 0 {
			return lines
		}
		if text, bad := complains(string(buf[:n])); bad {
			lines = append(lines, text)
		}
	}
}

// complains parses one message, "6,339,5140900,-;text", and returns its text.
func complains(message string) (string, bool) {
	_, text, _ := strings.Cut(message, ";")
	text, _, _ = strings.Cut(text, "\n") // the rest are key=value pairs
	return text, complaint.MatchString(text)
}

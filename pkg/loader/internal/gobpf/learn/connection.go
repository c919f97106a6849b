//go:build gobpf

package learn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// end is one end of a connection over loopback whose every property is known.
type end struct {
	fd            int
	file          *os.File
	local, remote netip.AddrPort
	sk            uint64 // the kernel's struct sock
}

// connection is a TCP connection between two ends of this process: a sends records, b receives
// them.
type connection struct {
	a, b *end
	info raw.CryptoInfo
	sent uint64
}

func (e *end) close() {
	if e != nil && e.file != nil {
		e.file.Close()
	}
}

func (k *connection) close() { k.a.close(); k.b.close() }

func newEnd(fd int) (*end, error) {
	e := &end{fd: fd, file: os.NewFile(uintptr(fd), "socket")}
	var err error
	if e.local, err = addrPort(unix.Getsockname(fd)); err == nil {
		e.remote, err = addrPort(unix.Getpeername(fd))
	}
	tv := unix.NsecToTimeval(int64(patience))
	return e, errors.Join(err, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv))
}

func addrPort(sa unix.Sockaddr, err error) (netip.AddrPort, error) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), err
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), err
	}
	return netip.AddrPort{}, errors.Join(err, errors.New("a socket without an address"))
}

func sockaddr(a netip.Addr) (family int, sa unix.Sockaddr) {
	if a.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Addr: a.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Addr: a.As16()}
}

// connect makes a connection between two addresses of the loopback.
func connect(from, to netip.Addr) (k *connection, err error) {
	family, sa := sockaddr(to)
	listener, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(listener)
	if err = errors.Join(unix.Bind(listener, sa), unix.Listen(listener, 1)); err != nil {
		return nil, fmt.Errorf("listen on %v: %w", to, err)
	}
	target, err := unix.Getsockname(listener)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	_, sa = sockaddr(from)
	if err = errors.Join(unix.Bind(fd, sa), unix.Connect(fd, target)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to %v: %w", to, err)
	}
	k = &connection{}
	if k.a, err = newEnd(fd); err != nil {
		return k, err
	}
	if fd, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC); err != nil {
		return k, os.NewSyscallError("accept", err)
	}
	k.b, err = newEnd(fd)
	return k, err
}

// keyInfo makes keys that must not be used elsewhere.
func keyInfo(version uint16, c raw.Cipher, seq uint64) raw.CryptoInfo {
	key, salt, iv, _ := c.Sizes()
	return raw.CryptoInfo{Version: version, Cipher: c, Key: bytes.Repeat([]byte{0x5a}, key),
		Salt: bytes.Repeat([]byte{0xa5}, salt), IV: bytes.Repeat([]byte{0x3c}, iv), Seq: seq}
}

// next is the sequence number of the next record, as it is in memory.
func (k *connection) next() []byte { return binary.BigEndian.AppendUint64(nil, k.info.Seq+k.sent) }

// patience is how long to wait for what was sent, also on a machine that stands still for a while.
const patience = 30 * time.Second

// await waits until b has received n records of size bytes. TCP over loopback may deliver them after send has
// returned: a kernel under load leaves that to a thread of its own.
func (k *connection) await(n, size int) error {
	const tag = 16
	due := n * (int(prefix(k.info.Version)) + size + tag) // TLS 1.3 adds the type
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		there, err := unix.IoctlGetInt(k.b.fd, unix.SIOCINQ)
		if err != nil {
			return os.NewSyscallError("ioctl", err)
		}
		if there >= due {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("only %d bytes of %d arrive", there, due)
		}
	}
}

// send sends one record.
func (k *connection) send(typ byte, b []byte) error {
	k.sent++
	_, err := raw.SendRecord(k.a.file, raw.ContentType(typ), b, 0)
	return err
}

// receive reads from one record into a single buffer.
func (k *connection) receive(b []byte) error {
	_, _, err := raw.RecvRecord(k.b.file, b, 0)
	return err
}

// pattern is n bytes that no other piece of memory has.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 12345
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

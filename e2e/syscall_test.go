package e2e

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// messages makes one message of one buffer for each b.
func messages(bs [][]byte) ([]mmsghdr, []unix.Iovec) {
	iov := make([]unix.Iovec, len(bs))
	m := make([]mmsghdr, len(bs))
	for i, b := range bs {
		iov[i].Base = &b[0]
		iov[i].SetLen(len(b))
		m[i].hdr.Iov = &iov[i]
		m[i].hdr.SetIovlen(1)
	}
	return m, iov
}

func mmsg(nr uintptr, fd int, bs [][]byte) ([]mmsghdr, error) {
	m, iov := messages(bs)
	n, _, errno := unix.Syscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), 0, 0, 0)
	runtime.KeepAlive(iov)
	runtime.KeepAlive(bs)
	if errno != 0 {
		return nil, errno
	}
	if int(n) != len(m) {
		return nil, fmt.Errorf("%d of %d messages", n, len(m))
	}
	return m, nil
}

// sendto is unix.Send, with the number of bytes that it sent.
func sendto(fd int, b []byte, flags int) (n int, err error) {
	sent, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), nil
}

func sendmmsg(fd int, bs ...[]byte) error {
	_, err := mmsg(unix.SYS_SENDMMSG, fd, bs)
	return err
}

func recvmmsg(fd int, sizes ...int) ([][]byte, error) {
	var bs [][]byte
	for _, n := range sizes {
		bs = append(bs, make([]byte, n))
	}
	m, err := mmsg(unix.SYS_RECVMMSG, fd, bs)
	for i := range m {
		bs[i] = bs[i][:m[i].len]
	}
	return bs, err
}

// The parts of include/uapi/linux/io_uring.h that one IORING_OP_SEND or IORING_OP_RECV needs.
type (
	uringParams struct {
		sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
		resv                                                                   [3]uint32
		sq                                                                     struct {
			head, tail, ringMask, ringEntries, flags, dropped, array, resv1 uint32
			userAddr                                                        uint64
		}
		cq struct {
			head, tail, ringMask, ringEntries, overflow, cqes, flags, resv1 uint32
			userAddr                                                        uint64
		}
	}
	uringSQE struct {
		opcode, flags uint8
		ioprio        uint16
		fd            int32
		off, addr     uint64
		len, opFlags  uint32
		userData      uint64
		pad           [3]uint64
	}
)

const (
	uringOpSend     = 26
	uringOpRecv     = 27
	uringGetEvents  = 1
	uringOffSQRing  = 0
	uringOffSQEs    = 0x10000000
	uringSingleMmap = 1 // IORING_FEAT_SINGLE_MMAP: both rings in one mapping
)

// uring sends b, or reads into it, by io_uring, and waits for the completion. It has a thread of its
// own, which ends with it: when the ring is freed, maybe much later, the kernel interrupts the thread
// that used it, and a blocking call there fails or sends a part.
func uring(fd int, op uint8, b []byte) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- uringHere(fd, op, b)
	}()
	return <-done
}

func uringHere(fd int, op uint8, b []byte) error {
	var p uringParams
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return fmt.Errorf("io_uring_setup: %w", errno)
	}
	defer unix.Close(int(ring))
	if p.features&uringSingleMmap == 0 {
		return fmt.Errorf("io_uring without a single mapping")
	}
	size := max(int(p.sq.array+4*p.sqEntries), int(p.cq.cqes+16*p.cqEntries))
	rings, err := unix.Mmap(int(ring), uringOffSQRing, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer unix.Munmap(rings)
	sqes, err := unix.Mmap(int(ring), uringOffSQEs, 64*int(p.sqEntries), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer unix.Munmap(sqes)
	*(*uringSQE)(unsafe.Pointer(&sqes[0])) = uringSQE{opcode: op, fd: int32(fd),
		addr: uint64(uintptr(unsafe.Pointer(&b[0]))), len: uint32(len(b))}
	*(*uint32)(unsafe.Pointer(&rings[p.sq.tail])) = 1
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, ring, 1, 1, uringGetEvents, 0, 0); errno != 0 {
		return fmt.Errorf("io_uring_enter: %w", errno)
	}
	runtime.KeepAlive(b)
	res := *(*int32)(unsafe.Pointer(&rings[p.cq.cqes+8]))
	if res != int32(len(b)) {
		return fmt.Errorf("io_uring did %d of %d bytes", res, len(b))
	}
	return nil
}

package afktls

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Constants of linux/userfaultfd.h.
const (
	uffdAPI          = 0xaa
	uffdModeMissing  = 1
	uffdioAPI        = 0xc018aa3f
	uffdioRegister   = 0xc020aa00
	uffdioZeropage   = 0xc020aa04
	uffdioWake       = 0x8010aa02
	uffdMessageBytes = 32
)

// A trap is a page of memory that makes the kernel wait when it first writes there: the call is
// stopped halfway.
type trap struct {
	fd   int
	page []byte
	got  []byte // the bytes that a read has written there
}

func newTrap(t testing.TB) *trap {
	t.Helper()
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		t.Skipf("userfaultfd(2): %v: the test has to be root, on a kernel with CONFIG_USERFAULTFD", errno)
	}
	page := must(unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS))(t)
	p := &trap{fd: int(fd), page: page}
	t.Cleanup(func() { // the descriptor first, which releases waiting calls
		unix.Close(p.fd)
		unix.Munmap(p.page)
	})
	p.ioctl(t, uffdioAPI, &[3]uint64{uffdAPI})
	p.ioctl(t, uffdioRegister, &[4]uint64{p.start(), uint64(len(page)), uffdModeMissing})
	return p
}

func (p *trap) start() uint64 { return uint64(uintptr(unsafe.Pointer(&p.page[0]))) }

func (p *trap) ioctl(t testing.TB, request uintptr, arg any) {
	t.Helper()
	var at unsafe.Pointer
	switch arg := arg.(type) {
	case *[2]uint64:
		at = unsafe.Pointer(arg)
	case *[3]uint64:
		at = unsafe.Pointer(arg)
	case *[4]uint64:
		at = unsafe.Pointer(arg)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(p.fd), request, uintptr(at)); errno != 0 {
		t.Fatalf("ioctl %#x of userfaultfd: %v", request, errno)
	}
}

// wait waits until a call is stopped.
func (p *trap) wait(t testing.TB) {
	t.Helper()
	if got := polled(t, p.fd, unix.POLLIN, patience); got != unix.POLLIN {
		t.Fatalf("poll says %#x: the page was not written to", got)
	}
	must(unix.Read(p.fd, make([]byte, uffdMessageBytes)))(t)
}

// release provides the page, so that the call continues.
func (p *trap) release(t testing.TB) {
	t.Helper()
	p.ioctl(t, uffdioZeropage, &[4]uint64{p.start(), uint64(len(p.page))})
}

// refuse makes the call fail with EFAULT.
func (p *trap) refuse(t testing.TB) {
	t.Helper()
	check(t, "mprotect", unix.Mprotect(p.page, unix.PROT_NONE))
	p.ioctl(t, uffdioWake, &[2]uint64{p.start(), uint64(len(p.page))})
}

// read starts to read from a socket into the page.
func (p *trap) read(fd, flags int) <-chan error {
	done := make(chan error, 1)
	go func() {
		n, _, _, _, err := unix.Recvmsg(fd, p.page, nil, flags)
		p.got = p.page[:max(n, 0)]
		done <- err
	}()
	return done
}

//go:build gobpf

package learn

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// callNumber looks for the registers of sendto(fd, b) at the stack's end and returns
// how far before the end the call's number is.
func callNumber(stack memory, fd int, b []byte) (back []int) {
	if runtime.GOARCH == "arm64" {
		return armCallNumber(stack, fd)
	}
	for _, at := range stack.find64(unix.SYS_SENDTO) { // orig_ax, after di, si and dx
		if stack.u64(at-8) == uint64(fd) && stack.u64(at-16) == uint64(uintptr(unsafe.Pointer(&b[0]))) && stack.u64(at-24) == uint64(len(b)) {
			back = append(back, len(stack)-at)
		}
	}
	return back
}

// armCallNumber looks for syscallno, which has 32 bits, after orig_x0. The registers of
// the arguments are further from the end than the stored part of the stack.
func armCallNumber(stack memory, fd int) (back []int) {
	for _, at := range stack.find32(unix.SYS_SENDTO) {
		if at >= 8 && stack.u64(at-8) == uint64(fd) {
			back = append(back, len(stack)-at)
		}
	}
	return back
}

package e2e

import (
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// playReadSock gives a socket with kernel TLS to the kernel connection
// multiplexor, whose stream parser reads by tls_sw_read_sock in a worker, as
// NVMe/TCP does. All records are there before, so that the worker alone reads.
func playReadSock(t *testing.T) func(*testing.T, trace) {
	needReadSock(t)
	const size = 100
	s := security{"1.3", "AES-GCM-128", "sw"}
	p := newPair(t, s)
	var want [][]byte
	for i := range 3 {
		want = append(want, pattern(size, i))
		p.send(t, want[i], 0)
	}
	kcm := multiplexor(t, p.b, size)
	for _, b := range want {
		buf := make([]byte, 2*size)
		n, _, err := unix.Recvfrom(kcm, buf, 0)
		must(t, err)
		checkSame(t, buf[:n], b)
	}
	must(t, unix.Close(kcm))
	p.close()
	return func(t *testing.T, got trace) {
		rx := got.stream(p.rport, p.lport, "rx")
		for i := range rx {
			if !strings.HasPrefix(rx[i].Comm, "kernel:kworker/") {
				t.Errorf("record %d was read by %q", i, rx[i].Comm)
			}
			rx[i].PID = os.Getpid() // comparePieces is about this process
		}
		comparePieces(t, rx, data("read_sock", want...), "rx", s)
	}
}

// needReadSock skips where kernel TLS has no read_sock.
func needReadSock(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile("/proc/kallsyms")
	must(t, err)
	if !strings.Contains(string(b), " tls_sw_read_sock\t") {
		t.Skip("this kernel's TLS has no read_sock (from 6.6)")
	}
}

// multiplexor attaches a socket to a new multiplexor whose messages all have the
// same size.
func multiplexor(t *testing.T, fd, size int) (kcm int) {
	t.Helper()
	const attach = 0x89e0 // SIOCKCMATTACH
	parser := loadConstant(t, size)
	defer unix.Close(parser)
	kcm, err := unix.Socket(unix.AF_KCM, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	tv := unix.NsecToTimeval(int64(20 * time.Second))
	must(t, unix.SetsockoptTimeval(kcm, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	request := [2]int32{int32(fd), int32(parser)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(kcm), attach, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatalf("SIOCKCMATTACH: %v", errno)
	}
	return kcm
}

// loadConstant loads a BPF program (type socket filter) that returns n.
func loadConstant(t *testing.T, n int) (fd int) {
	t.Helper()
	ne := binary.NativeEndian
	var code []byte
	code = append(code, 0xb7, 0, 0, 0) // r0 = n
	code = ne.AppendUint32(code, uint32(n))
	code = append(code, 0x95, 0, 0, 0, 0, 0, 0, 0) // exit
	license := []byte("GPL\x00")
	attr := struct {
		progType, insnCount uint32
		insns, license      uint64
		rest                [12]uint64
	}{1, 2, uint64(uintptr(unsafe.Pointer(&code[0]))), uint64(uintptr(unsafe.Pointer(&license[0]))), [12]uint64{}}
	const progLoad = 5
	r, _, errno := unix.Syscall(unix.SYS_BPF, progLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if errno != 0 {
		t.Fatalf("bpf: %v", errno)
	}
	return int(r)
}

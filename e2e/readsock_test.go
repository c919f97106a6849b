package e2e

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// kcmVersions are the versions of TLS under the kernel connection multiplexor (KCM). In
// both the tag follows a record's plaintext, in TLS 1.3 the content type precedes the
// tag.
var kcmVersions = []security{{"1.2", "AES-GCM-128", "sw"}, {"1.3", "AES-GCM-128", "sw"}}

// kcmSize is the size of each message: the tests' parser always returns it.
const kcmSize = 100

// playReadSock gives sockets with kernel TLS to the kernel connection multiplexor,
// whose stream parser reads by tls_sw_read_sock in a worker, as NVMe/TCP does. All
// records have arrived before, so that only the worker reads. Each message sent through
// the multiplexor is one record.
func playReadSock(t *testing.T) func(*testing.T, trace) {
	needReadSock(t)
	var told []func(*testing.T, trace)
	for _, s := range kcmVersions {
		told = append(told, playMultiplexor(t, s, kcmSize, 3*kcmSize))
	}
	return func(t *testing.T, got trace) {
		for _, f := range told {
			f(t, got)
		}
	}
}

// playMultiplexor sends records of these sizes, multiples of a message's, reads their
// messages from a multiplexor, and sends one of two messages through it.
func playMultiplexor(t *testing.T, s security, sizes ...int) func(*testing.T, trace) {
	t.Helper()
	p := newPair(t, s)
	defer p.close()
	back := p.info
	back.Key = pattern(len(back.Key), 4)
	must(t, raw.SetKeys(p.conns[1], raw.TX, &back))
	must(t, raw.SetKeys(p.conns[0], raw.RX, &back))
	records, stream := p.sendPatterns(t, sizes...)
	p.arrived(t)
	kcm := multiplexor(t, p.b, kcmSize)
	defer unix.Close(kcm)
	for at := 0; at < len(stream); at += kcmSize {
		checkSame(t, fromKCM(t, kcm), stream[at:at+kcmSize])
	}
	reply := pattern(2*kcmSize, 9)
	must(t, unix.Send(kcm, reply, 0))
	buf := make([]byte, len(reply))
	n, _, err := unix.Recvfrom(p.a, buf, unix.MSG_WAITALL)
	must(t, err)
	checkSame(t, buf[:n], reply)
	return func(t *testing.T, got trace) {
		comparePieces(t, readByWorker(t, got, p), data("read_sock", records...), "rx", s)
		comparePieces(t, got.stream(p.rport, p.lport, "tx"), data("send", reply), "tx", s)
	}
}

// sendPatterns sends a record of each size. It returns their plaintexts, separately and
// together.
func (p *pair) sendPatterns(t *testing.T, sizes ...int) (records [][]byte, stream []byte) {
	t.Helper()
	for i, size := range sizes {
		records = append(records, pattern(size, i))
		p.send(t, records[i], 0)
	}
	return records, bytes.Join(records, nil)
}

// readByWorker returns what p's receiver got, which a worker of the kernel read.
func readByWorker(t *testing.T, got trace, p *pair) trace {
	t.Helper()
	rx := got.stream(p.rport, p.lport, "rx")
	for i := range rx {
		if !strings.HasPrefix(rx[i].Comm, "kernel:kworker/") {
			t.Errorf("record %d was read by %q", i, rx[i].Comm)
		}
		if rx[i].User != "kcm" {
			t.Errorf("record %d is of %q, not of the multiplexor", i, rx[i].User)
		}
		rx[i].PID = os.Getpid() // comparePieces compares this process's records
	}
	return rx
}

// joinedWrong says which kernels make a wrong message if it is in two records:
// net/strparser joins the two buffers with their whole length, and after a record's
// plaintext its buffer continues with content type (TLS 1.3) and room for the tag.
// LIMITATIONS.md says so; a kernel that behaves differently from this table fails the
// test.
var joinedWrong = map[string]bool{"6.12": true, "6.18": true, "7.2": true, "7.3": true}

// playSplitMessage sends a message of the multiplexor in two records. Whatever the
// kernel makes of it, the trace shows both as they were sent.
func playSplitMessage(t *testing.T) func(*testing.T, trace) {
	needReadSock(t)
	kernel, _, _ := strings.Cut(os.Getenv("KTLSTOP_KERNEL"), "-") // the same on each processor
	wrong, known := joinedWrong[kernel]
	if !known {
		t.Errorf("joinedWrong does not say what Linux %s makes of a message in two records", kernel)
	}
	var told []func(*testing.T, trace)
	for _, s := range kcmVersions {
		told = append(told, playSplit(t, s, wrong))
	}
	return func(t *testing.T, got trace) {
		for _, f := range told {
			f(t, got)
		}
	}
}

func playSplit(t *testing.T, s security, wrong bool) func(*testing.T, trace) {
	t.Helper()
	p := newPair(t, s)
	defer p.close()
	records, stream := p.sendPatterns(t, kcmSize*3/2, kcmSize*3/2)
	p.arrived(t)
	kcm := multiplexor(t, p.b, kcmSize)
	defer unix.Close(kcm)
	checkSame(t, fromKCM(t, kcm), stream[:kcmSize])
	split := fromKCM(t, kcm)
	if wrong {
		checkJoinedWrong(t, split, records, s)
	} else {
		checkSame(t, split, stream[kcmSize:2*kcmSize])
	}
	checkSame(t, fromKCM(t, kcm), stream[2*kcmSize:])
	return func(t *testing.T, got trace) {
		comparePieces(t, readByWorker(t, got, p), data("read_sock", records...), "rx", s)
	}
}

// checkJoinedWrong expects the end of the first record, the bytes after it in its
// buffer, and then the part of the second that completes the message's length.
func checkJoinedWrong(t *testing.T, got []byte, records [][]byte, s security) {
	t.Helper()
	const half, tag = kcmSize / 2, 16
	foreign := tag
	if s.Version == "1.3" {
		foreign++
		if len(got) > half && got[half] != 0x17 {
			t.Errorf("TLS 1.3: behind the first record's plaintext stands %#x, not its content type", got[half])
		}
	}
	if len(got) != kcmSize {
		t.Fatalf("TLS %s: a message of %d bytes, not %d", s.Version, len(got), kcmSize)
	}
	checkSame(t, got[:half], records[0][kcmSize:])
	checkSame(t, got[half+foreign:], records[1][:half-foreign])
}

// fromKCM reads a message from a multiplexor.
func fromKCM(t *testing.T, kcm int) []byte {
	t.Helper()
	buf := make([]byte, 4*kcmSize)
	n, _, err := unix.Recvfrom(kcm, buf, 0)
	must(t, err)
	return buf[:n]
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
	tv := unix.NsecToTimeval(int64(patience))
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

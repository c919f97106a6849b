package afktls

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// The user API, as in kmod/af_ktls/af_ktls.h.
const (
	afKTLS  = 12
	solKTLS = afKTLS

	setIVRecv   = 1
	setKeyRecv  = 2
	setSaltRecv = 3
	setIVSend   = 4
	setKeySend  = 5
	setSaltSend = 6
	setMTU      = 7
	unattach    = 8
	getIVRecv   = 11
	getKeyRecv  = 12
	getSaltRecv = 13
	getIVSend   = 14
	getKeySend  = 15
	getSaltSend = 16
	getMTU      = 17
	optTX       = 21
	optRX       = 22
	optStats    = 23

	aes128 = 51
	aes256 = 52
	chacha = 54

	dtls12 = 0xfefd

	alertType = 21
	handshake = 22
	appData   = 23
)

var ciphers = []struct {
	name string
	id   uint16
}{{"AES-128-GCM", aes128}, {"AES-256-GCM", aes256}, {"ChaCha20-Poly1305", chacha}}

// patience is how long a test waits for something that must arrive; the guest is an emulated
// machine.
const patience = time.Minute

// load loads the module until the end of the test, which stays on one processor: packets of the
// loopback device then arrive in the order of sending.
func load(t testing.TB) *kmodtest.Module {
	t.Helper()
	m := loadAs(t)
	onOneProcessor(t)
	return m
}

func loadAs(t testing.TB, params ...string) *kmodtest.Module {
	t.Helper()
	return kmodtest.Load(t, "af_ktls", params...)
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantErrno(t testing.TB, what string, got error, want unix.Errno) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// socket makes a socket that is closed at the end of the test, and whose blocking calls end.
func socket(t testing.TB, family, kind int) int {
	t.Helper()
	fd := must(unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0))(t)
	t.Cleanup(func() { unix.Close(fd) })
	tv := unix.NsecToTimeval(int64(patience))
	check(t, "SO_RCVTIMEO", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	return fd
}

func loopback(family int) unix.Sockaddr {
	if family == unix.AF_INET6 {
		return &unix.SockaddrInet6{Addr: [16]byte(net.IPv6loopback)}
	}
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
}

// udpPair makes two UDP sockets that are connected to each other.
func udpPair(t testing.TB, family int) (a, b int) {
	t.Helper()
	a, b = socket(t, family, unix.SOCK_DGRAM), socket(t, family, unix.SOCK_DGRAM)
	for _, fd := range []int{a, b} {
		check(t, "bind", unix.Bind(fd, loopback(family)))
	}
	check(t, "connect", unix.Connect(a, must(unix.Getsockname(b))(t)))
	check(t, "connect", unix.Connect(b, must(unix.Getsockname(a))(t)))
	return a, b
}

// tcpPair makes two ends of one TCP connection.
func tcpPair(t testing.TB, family int) (a, b int) {
	t.Helper()
	l := socket(t, family, unix.SOCK_STREAM)
	check(t, "bind", unix.Bind(l, loopback(family)))
	check(t, "listen", unix.Listen(l, 1))
	a = socket(t, family, unix.SOCK_STREAM)
	check(t, "connect", unix.Connect(a, must(unix.Getsockname(l))(t)))
	b, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	check(t, "accept", err)
	t.Cleanup(func() { unix.Close(b) })
	tv := unix.NsecToTimeval(int64(patience))
	check(t, "SO_RCVTIMEO", unix.SetsockoptTimeval(b, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	return a, b
}

// bind attaches an AF_KTLS socket to another socket.
func bind(k int, cipher uint16, fd int, version uint16) error {
	var a [6]byte
	binary.NativeEndian.PutUint16(a[0:], cipher)
	binary.NativeEndian.PutUint16(a[2:], uint16(fd))
	binary.NativeEndian.PutUint16(a[4:], version)
	return bindBytes(k, a[:])
}

func bindBytes(k int, a []byte) error {
	var p unsafe.Pointer
	if len(a) > 0 {
		p = unsafe.Pointer(&a[0])
	}
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(k), uintptr(p), uintptr(len(a)))
	if errno != 0 {
		return errno
	}
	return nil
}

func setOption(fd, level, name int, b []byte) error {
	return unix.SetsockoptString(fd, level, name, string(b))
}

func getOption(fd, level, name, size int) ([]byte, error) {
	b := make([]byte, max(size, 1))
	n := uint32(size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return nil, errno
	}
	return b[:n], nil
}

// attached makes an AF_KTLS socket on a UDP or TCP socket.
func attached(t testing.TB, kind int, cipher uint16, fd int) int {
	t.Helper()
	k := socket(t, afKTLS, kind)
	check(t, "bind", bind(k, cipher, fd, 0))
	return k
}

// A secret is the key of one direction.
type secret struct {
	cipher    uint16
	key, salt []byte
	next      uint64 // epoch(16) | sequence(48)
}

const epoch1 = 1 << 48

func newSecret(cipher uint16) secret {
	s := secret{cipher: cipher, key: make([]byte, 32), salt: make([]byte, 4), next: epoch1 + 1}
	if cipher == aes128 {
		s.key = s.key[:16]
	}
	if cipher == chacha {
		s.salt = make([]byte, 12)
	}
	rand.Read(s.key)
	rand.Read(s.salt)
	return s
}

// info is the secret as the struct tls12_crypto_info_* of its cipher.
func (s secret) info(version uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, version)
	b = binary.NativeEndian.AppendUint16(b, s.cipher)
	if s.cipher == chacha {
		b = append(b, s.salt...)
		b = append(b, s.key...)
	} else {
		b = append(b, make([]byte, 8)...)
		b = append(b, s.key...)
		b = append(b, s.salt...)
	}
	return binary.BigEndian.AppendUint64(b, s.next)
}

func setTX(t testing.TB, k int, s secret) {
	t.Helper()
	check(t, "KTLS_TX", setOption(k, solKTLS, optTX, s.info(dtls12)))
}

func setRX(t testing.TB, k int, s secret) {
	t.Helper()
	check(t, "KTLS_RX", setOption(k, solKTLS, optRX, s.info(dtls12)))
}

// pair makes two AF_KTLS datagram sockets that are peers, over the UDP sockets ua and ub.
func pair(t testing.TB, family int, cipher uint16) (a, b, ua, ub int) {
	t.Helper()
	ua, ub = udpPair(t, family)
	a, b = attached(t, unix.SOCK_DGRAM, cipher, ua), attached(t, unix.SOCK_DGRAM, cipher, ub)
	there, back := newSecret(cipher), newSecret(cipher)
	setTX(t, a, there)
	setRX(t, b, there)
	setTX(t, b, back)
	setRX(t, a, back)
	return a, b, ua, ub
}

// send sends, and waits until what was sent has arrived: a test does not have to think of that before
// it detaches, polls or reads without waiting.
func send(t testing.TB, fd int, b []byte, flags int) {
	t.Helper()
	sendControl(t, fd, b, nil, flags)
}

// sendControl is send with control messages.
func sendControl(t testing.TB, fd int, b, control []byte, flags int) {
	t.Helper()
	n, err := unix.SendmsgN(fd, b, control, nil, flags)
	if err != nil || n != len(b) {
		t.Fatalf("send %d bytes: %d, %v", len(b), n, err)
	}
	settle(t)
}

func recv(t testing.TB, fd int) []byte {
	t.Helper()
	b := make([]byte, 1<<17)
	n, _, _, _, err := unix.Recvmsg(fd, b, nil, 0)
	check(t, "recv", err)
	return b[:n]
}

func wantRecv(t testing.TB, fd int, want []byte) {
	t.Helper()
	if got := recv(t, fd); string(got) != string(want) {
		t.Fatalf("received %s, want %s", short(got), short(want))
	}
}

// wantNothing checks that nothing sent before can be read.
func wantNothing(t testing.TB, fd int) {
	t.Helper()
	settle(t)
	b := make([]byte, 1<<17)
	n, _, _, _, err := unix.Recvmsg(fd, b, nil, unix.MSG_DONTWAIT)
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("read %d bytes (%v), want nothing to be there", n, err)
	}
}

func short(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("%d bytes %q...", len(b), b[:40])
	}
	return fmt.Sprintf("%d bytes %q", len(b), b)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// readable waits until poll reports that it is readable.
func polled(t testing.TB, fd int, events int16, timeout time.Duration) int16 {
	t.Helper()
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for deadline := time.Now().Add(timeout); ; {
		_, err := unix.Poll(p, int(max(time.Until(deadline), 0).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		check(t, "poll", err)
		return p[0].Revents
	}
}

// stats are struct ktls_stats.
type stats struct {
	txRecords, txBytes, rxRecords, rxBytes, replays, badTags, otherEpochs, full, malformed, filtered, toUserSpace uint64
}

func statsOf(t testing.TB, k int) stats {
	t.Helper()
	settle(t)
	b := must(getOption(k, solKTLS, optStats, 11*8))(t)
	if len(b) != 11*8 {
		t.Fatalf("KTLS_STATS has %d bytes", len(b))
	}
	var v [11]uint64
	for i := range v {
		v[i] = binary.NativeEndian.Uint64(b[8*i:])
	}
	return stats{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10]}
}

// counter returns the value of KTLS_GET_IV_*.
func counter(t testing.TB, k, option int) uint64 {
	t.Helper()
	settle(t)
	return binary.BigEndian.Uint64(must(getOption(k, solKTLS, option, 8))(t))
}

func tempFile(t testing.TB, content []byte) *os.File {
	t.Helper()
	f := must(os.CreateTemp(t.TempDir(), ""))(t)
	t.Cleanup(func() { f.Close() })
	must(f.Write(content))(t)
	must(f.Seek(0, 0))(t)
	return f
}

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(&b[0]) }

// sendTwo calls sendmmsg, for which x/sys has no name.
func sendTwo(fd int, first, second string) (int, error) {
	type mmsghdr struct {
		unix.Msghdr
		n uint32
		_ uint32
	}
	var messages [2]mmsghdr
	var vectors [2]unix.Iovec
	for i, text := range [][]byte{[]byte(first), []byte(second)} {
		vectors[i].Base = &text[0]
		vectors[i].SetLen(len(text))
		messages[i].Iov = &vectors[i]
		messages[i].SetIovlen(1)
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), 2, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

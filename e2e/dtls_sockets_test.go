package e2e

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The part of the user API in kmod/af_ktls/af_ktls.h that these tests use.
const (
	afKTLS    = 12
	ktlsTX    = 21
	ktlsRX    = 22
	dtls12    = 0xfefd
	dtlsAES   = 51
	dtlsEpoch = 1 << 48
)

// dtlsPair is two UDP sockets and the AF_KTLS sockets on those that are attached.
type dtlsPair struct {
	ua, ub, a, b int
	lport, rport int
	there, back  []byte // keys, without their number
}

func dtlsSocket(t *testing.T, family int) int {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	tv := unix.NsecToTimeval(int64(patience))
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	return fd
}

// newDTLSPair attaches a, which sends to b; b is attached by attachB.
func newDTLSPair(t *testing.T) *dtlsPair {
	t.Helper()
	p := &dtlsPair{ua: dtlsSocket(t, unix.AF_INET), ub: dtlsSocket(t, unix.AF_INET), there: make([]byte, 20), back: make([]byte, 20)}
	rand.Read(p.there)
	rand.Read(p.back)
	for _, fd := range []int{p.ua, p.ub} {
		must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	}
	local, err := unix.Getsockname(p.ua)
	must(t, err)
	remote, err := unix.Getsockname(p.ub)
	must(t, err)
	must(t, unix.Connect(p.ua, remote))
	must(t, unix.Connect(p.ub, local))
	p.lport, p.rport = local.(*unix.SockaddrInet4).Port, remote.(*unix.SockaddrInet4).Port
	p.a = attachDTLS(t, p.ua)
	setDTLSKey(t, p.a, ktlsTX, p.there, dtlsEpoch+1)
	setDTLSKey(t, p.a, ktlsRX, p.back, dtlsEpoch+1)
	return p
}

func (p *dtlsPair) attachB(t *testing.T) {
	t.Helper()
	p.b = attachDTLS(t, p.ub)
	setDTLSKey(t, p.b, ktlsRX, p.there, dtlsEpoch+1)
	setDTLSKey(t, p.b, ktlsTX, p.back, dtlsEpoch+1)
}

func attachDTLS(t *testing.T, udp int) int {
	t.Helper()
	k := dtlsSocket(t, afKTLS)
	var a [6]byte
	binary.NativeEndian.PutUint16(a[2:], uint16(udp))
	if _, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(k), uintptr(unsafe.Pointer(&a)), 6); errno != 0 {
		t.Fatal(errno)
	}
	return k
}

// setDTLSKey sets a key of AES-GCM-128: 16 bytes and 4 of salt.
func setDTLSKey(t *testing.T, k, option int, key []byte, next uint64) {
	t.Helper()
	b := binary.NativeEndian.AppendUint16(nil, dtls12)
	b = binary.NativeEndian.AppendUint16(b, dtlsAES)
	b = append(b, make([]byte, 8)...)
	b = binary.BigEndian.AppendUint64(append(b, key...), next)
	must(t, unix.SetsockoptString(k, afKTLS, option, string(b)))
}

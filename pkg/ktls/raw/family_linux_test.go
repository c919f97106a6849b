package raw

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// versionDTLS12 is the wire's number of DTLS 1.2.
const versionDTLS12 = 0xfefd

// familyKeys are one direction's, for records of TLS 1.3 or DTLS 1.2.
func familyKeys(version uint16, fill byte) *CryptoInfo {
	info := &CryptoInfo{Version: version, Cipher: AES128GCM, Key: bytes.Repeat([]byte{fill}, 16), Salt: []byte{1, 2, 3, fill}, IV: make([]byte, 8)}
	if version == versionDTLS12 {
		info.Seq = 1 << 48 // epoch 1
		info.IV[1] = 1
	}
	return info
}

// udpPair returns two sockets that are connected to each other.
func udpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	first, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	second, err := net.DialUDP("udp", nil, first.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { first.Close(); second.Close() })
	rc, err := first.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: second.LocalAddr().(*net.UDPAddr).Port}
	var connectErr error // package net connects a socket only when it makes it, and a port that is given up may go to others
	if err := rc.Control(func(fd uintptr) { connectErr = unix.Connect(int(fd), to) }); err != nil || connectErr != nil {
		t.Fatal(err, connectErr)
	}
	return first, second
}

// TestEnableFamily: what one end writes the other reads, over TCP and over UDP, also one that
// waited for it.
func TestEnableFamily(t *testing.T) {
	ktlstest.NeedFamily(t, FamilyAvailable)
	for name, c := range map[string]struct {
		version uint16
		pair    func(testing.TB) (net.Conn, net.Conn)
	}{"stream": {tls.VersionTLS13, ktlstest.TCPPair}, "datagrams": {versionDTLS12, udpPair}} {
		t.Run(name, func(t *testing.T) {
			a, b := c.pair(t)
			there, back := familyKeys(c.version, 1), familyKeys(c.version, 2)
			left, err := EnableFamily(a.(syscall.Conn), there, back)
			if err != nil {
				t.Fatal(err)
			}
			defer left.Close()
			right, err := EnableFamily(b.(syscall.Conn), back, there)
			if err != nil {
				t.Fatal(err)
			}
			defer right.Close()
			for _, f := range []*os.File{left, right} {
				if err := f.SetDeadline(time.Now().Add(ktlstest.Patience)); err != nil {
					t.Fatal(err)
				}
			}
			want := strings.Repeat("x", 1000)
			got := make(chan string, 1)
			go func() {
				buf := make([]byte, len(want))
				n, _ := io.ReadFull(right, buf)
				got <- string(buf[:n])
			}()
			if _, err := left.WriteString(want); err != nil {
				t.Fatal(err)
			}
			if s := <-got; s != want {
				t.Errorf("read %q", s)
			}
			if c.version != versionDTLS12 {
				return // a TCP socket stays one, and may have several of AF_KTLS over it
			}
			if f, err := EnableFamily(a.(syscall.Conn), there, back); !errors.Is(err, ErrInUse) || f != nil {
				t.Errorf("a second time: %v, %v", f, err)
			}
		})
	}
}

// TestEnableFamilyRefused: without the module, and on a socket that is not connected.
func TestEnableFamilyRefused(t *testing.T) {
	want := ErrFamilyMissing
	if ktlstest.InGuest() {
		ktlstest.NeedFamily(t, FamilyAvailable)
		want = ErrNotConnected
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	file, err := EnableFamily(conn, familyKeys(versionDTLS12, 1), nil)
	if !errors.Is(err, want) || file != nil {
		t.Errorf("%v, %v; want %v", file, err, want)
	}
}

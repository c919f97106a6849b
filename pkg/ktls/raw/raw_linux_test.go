package raw

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// staticInfo is a CryptoInfo with made-up keys.
func staticInfo(version uint16, cipher Cipher, seq uint64) *CryptoInfo {
	key, salt, iv, _ := cipher.Sizes()
	fill := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	return &CryptoInfo{Version: version, Cipher: cipher, Key: fill(1, key), Salt: fill(2, salt), IV: fill(3, iv), Seq: seq}
}

// rawPair puts the same keys on one direction of a connection.
func rawPair(t *testing.T, info *CryptoInfo) (from, to *net.TCPConn) {
	t.Helper()
	a, b := ktlstest.TCPPair(t)
	from, to = a.(*net.TCPConn), b.(*net.TCPConn)
	if err := Enable(from, info, nil); err != nil {
		t.Fatal(err)
	}
	if err := Enable(to, nil, info); err != nil {
		t.Fatal(err)
	}
	return from, to
}

// TestRawCiphers sends records of several types under every cipher of the kernel.
func TestRawCiphers(t *testing.T) {
	ktlstest.NeedKernel(t, Available)
	for cipher := range cipherSpecs {
		t.Run(cipher.String(), func(t *testing.T) {
			if cipher >= SM4GCM && lacks(t, cipher) {
				return
			}
			testRawRecords(t, staticInfo(tls.VersionTLS12, cipher, 1<<32))
			if cipher != ARIA128GCM && cipher != ARIA256GCM { // which the kernel has for TLS 1.2 alone
				testRawRecords(t, staticInfo(tls.VersionTLS13, cipher, 1<<32))
			}
		})
	}
}

func testRawRecords(t *testing.T, info *CryptoInfo) {
	from, to := rawPair(t, info)
	for _, want := range []struct {
		typ  ContentType
		data string
	}{{TypeApplicationData, "data"}, {TypeHandshake, "\x04"}, {TypeAlert, "\x01\x00"}, {100, "odd"}} {
		if n, err := SendRecord(from, want.typ, []byte(want.data), 0); n != len(want.data) || err != nil {
			t.Fatalf("sent %d bytes, %v", n, err)
		}
		for _, flags := range []int{unix.MSG_PEEK, 0} {
			p := make([]byte, 100)
			n, typ, err := RecvRecord(to, p, flags)
			if string(p[:n]) != want.data || typ != want.typ || err != nil {
				t.Fatalf("received %q of type %v, %v; want %q of type %v", p[:n], typ, err, want.data, want.typ)
			}
		}
	}
	_ = from.Close()
	if n, typ, err := RecvRecord(to, make([]byte, 10), 0); n != 0 || typ != 0 || err != nil {
		t.Errorf("at the end: %d bytes of type %v, %v", n, typ, err)
	}
}

// lacks reports whether the kernel's cryptography has no such cipher, as Debian's has neither SM4 nor
// ARIA, and tests that the library says so.
func lacks(t *testing.T, cipher Cipher) bool {
	t.Helper()
	a, _ := ktlstest.TCPPair(t)
	err := Enable(a.(*net.TCPConn), staticInfo(tls.VersionTLS12, cipher, 0), nil)
	if !errors.Is(err, unix.ENOENT) {
		return false // whatever else it may be fails the test that asks
	}
	if !errors.Is(err, ErrCipher) {
		t.Errorf("error is %v, want %v", err, ErrCipher)
	}
	return true
}

func TestRawMore(t *testing.T) {
	ktlstest.NeedKernel(t, Available)
	from, to := rawPair(t, staticInfo(tls.VersionTLS13, AES128GCM, 0))
	if _, err := SendRecord(from, TypeApplicationData, []byte("one "), unix.MSG_MORE); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Write([]byte("record")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	if n, _, err := RecvRecord(to, p, 0); string(p[:n]) != "one record" || err != nil {
		t.Errorf("received %q, %v", p[:n], err)
	}
}

func TestRawErrors(t *testing.T) {
	ktlstest.NeedKernel(t, Available)
	a, _ := ktlstest.TCPPair(t)
	conn := a.(*net.TCPConn)
	info := staticInfo(tls.VersionTLS12, AES128GCM, 0)
	if err := SetKeys(conn, TX, info); !errors.Is(err, ErrNotEnabled) {
		t.Errorf("without TCP_ULP: %v", err)
	}
	if err := Enable(conn, staticInfo(tls.VersionTLS10, AES128GCM, 0), nil); !errors.Is(err, ErrCipher) {
		t.Errorf("TLS 1.0: %v", err)
	}
	if err := Enable(conn, info, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("second Enable: %v", err)
	}
	if err := SetKeys(conn, TX, info); err != nil {
		t.Error(err)
	}
	if err := SetKeys(conn, TX, info); !errors.Is(err, ErrRekey) {
		t.Errorf("second key under TLS 1.2: %v", err)
	}
	empty := &CryptoInfo{Version: tls.VersionTLS12, Cipher: AES128GCM}
	if err := SetKeys(conn, RX, empty); err == nil {
		t.Error("empty keys were taken")
	}
}

// TestRefusals runs where there is no kernel TLS as well.
func TestRefusals(t *testing.T) {
	for errno, want := range map[error]error{
		unix.ENOENT: ErrModuleMissing, unix.ENOTCONN: ErrNotConnected, unix.EEXIST: ErrInUse,
		unix.EOPNOTSUPP: ErrNotTCP, unix.EPERM: ErrRefused,
	} {
		if got := ulpReason(errno); got != want {
			t.Errorf("TCP_ULP, %v: %v, want %v", errno, got, want)
		}
	}
	for errno, want := range map[error]error{
		unix.ENOENT: ErrCipher, unix.EINVAL: ErrCipher, unix.EBUSY: ErrRekey, unix.ENOPROTOOPT: ErrNotEnabled, unix.ENOMEM: ErrRefused,
	} {
		if got := keysReason(errno); got != want {
			t.Errorf("TLS_TX, %v: %v, want %v", errno, got, want)
		}
	}
	if err := Available(); err != nil && !errors.Is(err, ErrModuleMissing) && !errors.Is(err, ErrNotTCP) {
		t.Errorf("available: %v", err)
	}
}

package afktls

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const tls12 = 0x0303

// streamPair makes two AF_KTLS stream sockets over one TCP connection, with keys by the options of 2016.
func streamPair(t testing.TB, family int, cipher uint16) (a, b, ta, tb int) {
	t.Helper()
	ta, tb = tcpPair(t, family)
	a, b = attached(t, unix.SOCK_STREAM, cipher, ta), attached(t, unix.SOCK_STREAM, cipher, tb)
	for _, ends := range [][2]int{{a, b}, {b, a}} {
		s := newSecret(cipher)
		s.next = 7
		check(t, "key", setOption(ends[0], solKTLS, setKeySend, s.key))
		check(t, "salt", setOption(ends[0], solKTLS, setSaltSend, s.salt))
		check(t, "iv", setOption(ends[0], solKTLS, setIVSend, be64(s.next)))
		check(t, "iv", setOption(ends[1], solKTLS, setIVRecv, be64(s.next)))
		check(t, "key", setOption(ends[1], solKTLS, setKeyRecv, s.key))
		check(t, "salt", setOption(ends[1], solKTLS, setSaltRecv, s.salt))
	}
	return a, b, ta, tb
}

func readFull(t testing.TB, fd, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	for got := 0; got < n; {
		m, err := unix.Read(fd, b[got:])
		check(t, "read", err)
		if m == 0 {
			t.Fatalf("the end after %d of %d bytes", got, n)
		}
		got += m
	}
	return b
}

// TestStream: a stream socket is kernel TLS on its TCP socket.
func TestStream(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			a, b, ta, tb := streamPair(t, unix.AF_INET, c.id)
			data := random(50000)
			send(t, a, data, 0) // in four records of up to 16384 bytes
			if got := readFull(t, b, len(data)); string(got) != string(data) {
				t.Error("what arrived is not what was sent")
			}
			if got := counter(t, a, getIVSend); got != 7+4 {
				t.Errorf("the next record sent is %d", got)
			}
			if got := counter(t, b, getIVRecv); got != 7+4 {
				t.Errorf("the next record received is %d", got)
			}
			send(t, tb, []byte("by the TCP sockets themselves"), 0)
			if got := readFull(t, ta, 29); string(got) != "by the TCP sockets themselves" {
				t.Errorf("got %q", got)
			}
			if got := string(must(unix.GetsockoptString(a, unix.SOL_TCP, unix.TCP_ULP))(t)); strings.TrimRight(got, "\x00") != "tls" {
				t.Errorf("TCP_ULP is %q", got)
			}
			if got := mtuOf(t, a); got != 16384 {
				t.Errorf("a record takes %d bytes", got)
			}
		})
	}
}

// TestStreamNewOption: KTLS_TX and KTLS_RX of a stream socket are TLS_TX and TLS_RX of net/tls, TLS 1.3 included.
func TestStreamNewOption(t *testing.T) {
	load(t)
	for _, version := range []uint16{tls12, 0x0304} {
		ta, tb := tcpPair(t, unix.AF_INET6)
		a, b := attached(t, unix.SOCK_STREAM, 0, ta), attached(t, unix.SOCK_STREAM, 0, tb)
		s := newSecret(aes256)
		s.next = 0
		check(t, "KTLS_TX", setOption(a, solKTLS, optTX, s.info(version)))
		check(t, "KTLS_RX", setOption(b, solKTLS, optRX, s.info(version)))
		send(t, a, []byte("by one call"), 0)
		if got := readFull(t, b, 11); string(got) != "by one call" {
			t.Errorf("got %q", got)
		}
		got := must(getOption(a, solKTLS, optTX, len(s.info(version))))(t)
		if binary.NativeEndian.Uint16(got) != version || binary.BigEndian.Uint64(got[len(got)-8:]) != 1 {
			t.Errorf("KTLS_TX reads % x", got)
		}
	}
}

// TestStreamSendfile: sendfile and splice use the TCP socket, in both directions.
func TestStreamSendfile(t *testing.T) {
	load(t)
	a, b, _, _ := streamPair(t, unix.AF_INET, aes128)
	for _, size := range []int{1, 4096, 100000} {
		content := random(size)
		f := tempFile(t, content)
		done := make(chan error, 1)
		go func() {
			var err error
			for sent, n := 0, 0; sent < size && err == nil; sent += n {
				n, err = unix.Sendfile(a, int(f.Fd()), nil, size-sent)
			}
			done <- err
		}()
		if got := readFull(t, b, size); string(got) != string(content) {
			t.Errorf("of %d bytes, what arrived is not what was sent", size)
		}
		check(t, "sendfile", <-done)
	}
	var p [2]int
	check(t, "pipe", unix.Pipe2(p[:], unix.O_CLOEXEC))
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	must(unix.Write(p[1], []byte("through pipes")))(t)
	must(unix.Splice(p[0], nil, a, nil, 13, 0))(t)
	must(unix.Splice(b, nil, p[1], nil, 13, 0))(t)
	if got := readFull(t, p[0], 13); string(got) != "through pipes" {
		t.Errorf("got %q", got)
	}
}

// TestStreamPoll: poll, names, control records, the end.
func TestStreamPoll(t *testing.T) {
	load(t)
	a, b, ta, _ := streamPair(t, unix.AF_INET, aes128)
	if got := polled(t, b, unix.POLLIN|unix.POLLOUT, 0); got != unix.POLLOUT {
		t.Errorf("poll says %#x", got)
	}
	sendControl(t, a, []byte{1, 0}, typeMessage(alertType), 0)
	if got := polled(t, b, unix.POLLIN, patience); got != unix.POLLIN {
		t.Errorf("poll says %#x", got)
	}
	if data, kind, err := recvTyped(t, b, 0); string(data) != "\x01\x00" || kind != alertType || err != nil {
		t.Errorf("read % x of type %d, %v", data, kind, err)
	}
	if portOf(must(unix.Getsockname(a))(t)) != portOf(must(unix.Getsockname(ta))(t)) {
		t.Error("its name is not the TCP socket's")
	}
	check(t, "TCP_NODELAY", unix.SetsockoptInt(a, unix.SOL_TCP, unix.TCP_NODELAY, 1))
	if got := must(unix.GetsockoptInt(ta, unix.SOL_TCP, unix.TCP_NODELAY))(t); got == 0 {
		t.Error("TCP_NODELAY was not passed on")
	}
	_, err := getOption(a, solKTLS, optStats, 88)
	wantErrno(t, "KTLS_STATS", err, unix.EOPNOTSUPP)
	wantErrno(t, "KTLS_SET_MTU", setOption(a, solKTLS, setMTU, make([]byte, 4)), unix.EOPNOTSUPP)
	check(t, "shutdown", unix.Shutdown(a, unix.SHUT_WR))
	if n, err := unix.Read(b, make([]byte, 10)); n != 0 || err != nil {
		t.Errorf("after the peer's shutdown: %d, %v", n, err)
	}
}

// TestStreamDetach: the TCP socket keeps kernel TLS, and others can continue to use it.
func TestStreamDetach(t *testing.T) {
	load(t)
	a, b, ta, _ := streamPair(t, unix.AF_INET, aes128)
	check(t, "detach", setOption(a, solKTLS, unattach, nil))
	_, err := unix.SendmsgN(a, []byte("x"), nil, nil, 0)
	wantErrno(t, "send", err, unix.ENOTCONN)
	_, err = unix.Read(a, make([]byte, 1))
	wantErrno(t, "read", err, unix.ENOTCONN)
	wantErrno(t, "bind again", bind(a, aes128, ta, 0), unix.EISCONN)
	if got := counter(t, a, getIVSend); got != 7 {
		t.Errorf("the next number is %d", got)
	}
	again := attached(t, unix.SOCK_STREAM, 0, ta)
	send(t, again, []byte("goes on"), 0)
	if got := readFull(t, b, 7); string(got) != "goes on" {
		t.Errorf("got %q", got)
	}
}

// TestStreamUnloaded: net/tls may not have been loaded before.
func TestStreamUnloaded(t *testing.T) {
	load(t)
	ta, _ := tcpPair(t, unix.AF_INET)
	attached(t, unix.SOCK_STREAM, aes128, ta)
	if _, err := os.Stat("/sys/module/tls"); err != nil {
		t.Errorf("attached without net/tls: %v", err)
	}
}

// unloadTLS unloads net/tls. Sockets of earlier tests may hold it for a while, and nothing reports
// when that ends.
func unloadTLS(t testing.TB) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = unix.DeleteModule("tls", unix.O_NONBLOCK); err == nil || errors.Is(err, unix.ENOENT) {
			return
		}
	}
	t.Fatalf("unload tls: %v", err)
}

// withoutAdmin calls fn on a thread that may not administer the network.
func withoutAdmin(t testing.TB, fn func() error) error {
	t.Helper()
	done := make(chan error)
	go func() {
		lockThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		err := unix.Capget(&header, &sets[0])
		sets[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err == nil {
			err = unix.Capset(&header, &sets[0])
		}
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	return <-done
}

// TestStreamMayNotLoad: net/tls is loaded for a caller that may administer the network, as TCP does
// it, and for no other.
func TestStreamMayNotLoad(t *testing.T) {
	load(t)
	unloadTLS(t)
	ta, _ := tcpPair(t, unix.AF_INET)
	k := socket(t, afKTLS, unix.SOCK_STREAM)
	err := withoutAdmin(t, func() error { return bind(k, aes128, ta, 0) })
	wantErrno(t, "bind without net/tls", err, unix.ENOENT)
	check(t, "bind", bind(k, aes128, ta, 0))
	other, _ := tcpPair(t, unix.AF_INET)
	k = socket(t, afKTLS, unix.SOCK_STREAM)
	check(t, "bind once it is loaded", withoutAdmin(t, func() error { return bind(k, aes128, other, 0) }))
}

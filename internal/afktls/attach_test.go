package afktls

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBindErrors: sockets that cannot be attached, and that they are unchanged afterwards.
func TestBindErrors(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	tcp, _ := tcpPair(t, unix.AF_INET)
	lone := socket(t, unix.AF_INET, unix.SOCK_DGRAM)
	local := socket(t, unix.AF_UNIX, unix.SOCK_DGRAM)
	file := int(tempFile(t, nil).Fd())
	dgram, stream := socket(t, afKTLS, unix.SOCK_DGRAM), socket(t, afKTLS, unix.SOCK_STREAM)
	tests := []struct {
		name            string
		k               int
		cipher, version uint16
		fd              int
		want            unix.Errno
	}{
		{"no connection", dgram, aes128, 0, lone, unix.ENOTCONN},
		{"not an inet socket", dgram, aes128, 0, local, unix.EAFNOSUPPORT},
		{"TCP below a datagram socket", dgram, aes128, 0, tcp, unix.EAFNOSUPPORT},
		{"UDP below a stream socket", stream, aes128, 0, udp, unix.EAFNOSUPPORT},
		{"itself", dgram, aes128, 0, dgram, unix.EAFNOSUPPORT},
		{"not a socket", dgram, aes128, 0, file, unix.ENOTSOCK},
		{"no descriptor", dgram, aes128, 0, 60000, unix.EBADF},
		{"unknown cipher", dgram, 50, 0, udp, unix.ENOENT},
		{"unknown version", dgram, aes128, 2, udp, unix.ENOENT},
	}
	for _, tt := range tests {
		wantErrno(t, tt.name, bind(tt.k, tt.cipher, tt.fd, tt.version), tt.want)
	}
	for _, n := range []int{0, 5, 7, 100} {
		wantErrno(t, "length", bindBytes(dgram, make([]byte, n)), unix.EBADMSG)
	}
	send(t, wire, []byte("plain UDP still"), 0)
	wantRecv(t, udp, []byte("plain UDP still"))
	check(t, "version 1 is the same", bind(dgram, aes128, udp, 1))
	wantErrno(t, "twice", bind(dgram, aes128, udp, 0), unix.EISCONN)
}

// TestSocketErrors: the family has two types, and no protocols.
func TestSocketErrors(t *testing.T) {
	load(t)
	_, err := unix.Socket(afKTLS, unix.SOCK_SEQPACKET, 0)
	wantErrno(t, "SEQPACKET", err, unix.ESOCKTNOSUPPORT)
	_, err = unix.Socket(afKTLS, unix.SOCK_DGRAM, 17)
	wantErrno(t, "protocol", err, unix.EPROTONOSUPPORT)
	k := socket(t, afKTLS, unix.SOCK_DGRAM)
	wantErrno(t, "listen", unix.Listen(k, 1), unix.EOPNOTSUPP)
	_, _, err = unix.Accept(k)
	wantErrno(t, "accept", err, unix.EOPNOTSUPP)
	wantErrno(t, "connect", unix.Connect(k, loopback(unix.AF_INET)), unix.EOPNOTSUPP)
	_, err = unix.Socketpair(afKTLS, unix.SOCK_DGRAM, 0)
	wantErrno(t, "socketpair", err, unix.EOPNOTSUPP)
}

// TestBusy: a socket has one record layer at most.
func TestBusy(t *testing.T) {
	load(t)
	udp, _ := udpPair(t, unix.AF_INET)
	first, second := attached(t, unix.SOCK_DGRAM, aes128, udp), socket(t, afKTLS, unix.SOCK_DGRAM)
	wantErrno(t, "a second one", bind(second, aes128, udp, 0), unix.EBUSY)
	check(t, "detach", setOption(first, solKTLS, unattach, nil))
	check(t, "the second one", bind(second, aes128, udp, 0))
	wantErrno(t, "the first again", bind(first, aes128, udp, 0), unix.EBUSY)
	other, _ := udpPair(t, unix.AF_INET)
	check(t, "UDP_ENCAP", unix.SetsockoptInt(other, unix.SOL_UDP, 100, 2)) // UDP_ENCAP_ESPINUDP
	wantErrno(t, "a tunnel's", bind(first, aes128, other, 0), unix.EBUSY)
}

// TestDetach: the UDP socket is as before, and unread records are gone.
func TestDetach(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	loop := func() int { return must(unix.GetsockoptInt(udp, unix.SOL_IP, unix.IP_MULTICAST_LOOP))(t) }
	before := loop()
	b := bench{k: attached(t, unix.SOCK_DGRAM, aes128, udp), udp: udp, wire: wire, rx: newSecret(aes128)}
	setRX(t, b.k, b.rx)
	if got := loop(); got != before {
		t.Errorf("attached, IP_MULTICAST_LOOP is %d, and was %d", got, before)
	}
	b.write(t, 1, "unread")
	check(t, "detach", setOption(b.k, solKTLS, unattach, nil))
	if got := loop(); got != before {
		t.Errorf("detached, IP_MULTICAST_LOOP is %d, and was %d", got, before)
	}
	record := b.rx.seal(t, epoch1|2, appData, []byte("not for the module"))
	send(t, wire, record, 0)
	wantRecv(t, udp, record)
	wantNothing(t, udp)
	wantErrno(t, "detach again", setOption(b.k, solKTLS, unattach, nil), unix.ENOTCONN)
	if got := polled(t, b.k, unix.POLLIN|unix.POLLOUT, 0); got&unix.POLLHUP == 0 || got&unix.POLLOUT != 0 {
		t.Errorf("poll says %#x of a socket that was detached", got)
	}
	send(t, udp, []byte("plain"), 0)
	wantRecv(t, wire, []byte("plain"))
}

// TestLowerClosed: the socket below lives as long as it is attached, even if its descriptor is
// closed.
func TestLowerClosed(t *testing.T) {
	load(t)
	a, b, ua, _ := pair(t, unix.AF_INET, aes128)
	port := must(unix.Getsockname(ua))(t)
	check(t, "close", unix.Close(ua))
	other := socket(t, unix.AF_INET, unix.SOCK_DGRAM) // gets ua's number; the pair's cleanup closes it
	send(t, a, []byte("still here"), 0)
	wantRecv(t, b, []byte("still here"))
	send(t, b, []byte("and here"), 0)
	wantRecv(t, a, []byte("and here"))
	wantErrno(t, "its port", unix.Bind(other, port), unix.EADDRINUSE)
	check(t, "detach", setOption(a, solKTLS, unattach, nil))
	check(t, "its port, after the detach", unix.Bind(other, port))
}

// TestMain also lets this program be the other process of TestInherited.
func TestMain(m *testing.M) {
	if os.Getenv("AFKTLS_CHILD") != "" {
		if err := answer(3); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// answer reads a record from a descriptor and writes one.
func answer(fd int) error {
	b := make([]byte, 100)
	n, err := unix.Read(fd, b)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, append([]byte("child got "), b[:n]...))
	return err
}

// TestInherited: a descriptor outlives the process that made it, and all its holders use the same
// counter.
func TestInherited(t *testing.T) {
	load(t)
	a, b, ua, _ := pair(t, unix.AF_INET, aes128)
	send(t, a, []byte("parent"), 0)
	wantRecv(t, b, []byte("parent"))
	own := must(unix.Dup(a))(t)
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), "AFKTLS_CHILD=1")
	child.ExtraFiles = []*os.File{os.NewFile(uintptr(own), "af_ktls")}
	check(t, "start", child.Start())
	child.ExtraFiles[0].Close()
	check(t, "close", unix.Close(a))
	check(t, "close", unix.Close(ua))
	send(t, b, []byte("hello"), 0)
	wantRecv(t, b, []byte("child got hello"))
	check(t, "child", child.Wait())
	// The last descriptor went with the child, and with it the UDP socket.
	deadline := time.Now().Add(patience)
	for err := error(nil); !errors.Is(err, unix.ECONNREFUSED); {
		if _, err = unix.SendmsgN(b, []byte("anybody?"), nil, nil, 0); time.Now().After(deadline) {
			t.Fatalf("the socket below is open still (%v)", err)
		}
	}
}

// TestPassed: a descriptor that is passed through a Unix socket.
func TestPassed(t *testing.T) {
	load(t)
	a, b, _, _ := pair(t, unix.AF_INET, aes128)
	fds := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))(t)
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	check(t, "pass", unix.Sendmsg(fds[0], []byte("x"), unix.UnixRights(a), nil, 0))
	check(t, "close", unix.Close(a))
	oob := make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(fds[1], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	check(t, "receive", err)
	messages := must(unix.ParseSocketControlMessage(oob[:n]))(t)
	got := must(unix.ParseUnixRights(&messages[0]))(t)
	defer unix.Close(got[0])
	send(t, got[0], []byte("passed"), 0)
	wantRecv(t, b, []byte("passed"))
	// If it is in flight and never received, it is freed with the socket that holds it.
	check(t, "pass", unix.Sendmsg(fds[0], []byte("x"), unix.UnixRights(got[0]), nil, 0))
}

// TestNamespaces: the socket below must be of the caller's network namespace. A caller could set a
// mark or priority on a socket of another one that its owner may not set there.
func TestNamespaces(t *testing.T) {
	load(t)
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	check(t, "unshare", unix.Unshare(unix.CLONE_NEWNET))
	command(t, "ip", "link", "set", "lo", "up")
	a, b, ua, ub := pair(t, unix.AF_INET, aes128)
	ta, _ := tcpPair(t, unix.AF_INET)
	send(t, a, []byte("in this namespace"), 0)
	wantRecv(t, b, []byte("in this namespace"))
	check(t, "detach", setOption(a, solKTLS, unattach, nil))
	done := make(chan struct{})
	go func() { // another thread, in the namespace of the process
		defer close(done)
		for kind, below := range map[int]int{unix.SOCK_DGRAM: ua, unix.SOCK_STREAM: ta} {
			k, err := unix.Socket(afKTLS, kind|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			wantErrno(t, "bind from another namespace", bind(k, aes128, below, 0), unix.EXDEV)
			unix.Close(k)
		}
	}()
	<-done
	send(t, ub, []byte("untouched"), 0)
	wantRecv(t, ua, []byte("untouched"))
}

// TestUnload: the module stays as long as a socket is open, attached or not.
func TestUnload(t *testing.T) {
	m := load(t)
	k := must(unix.Socket(afKTLS, unix.SOCK_DGRAM, 0))(t)
	for range 2 {
		if err := unix.DeleteModule("af_ktls", unix.O_NONBLOCK); !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EBUSY) {
			t.Errorf("unloaded below an open socket: %v", err)
		}
		udp, _ := udpPair(t, unix.AF_INET)
		check(t, "bind", bind(k, aes128, udp, 0))
		check(t, "KTLS_RX", setOption(k, solKTLS, optRX, newSecret(aes128).info(dtls12)))
		check(t, "detach", setOption(k, solKTLS, unattach, nil))
	}
	check(t, "close", unix.Close(k))
	m.Unload(t)
	_, err := unix.Socket(afKTLS, unix.SOCK_DGRAM, 0)
	wantErrno(t, "without the module", err, unix.EAFNOSUPPORT)
}

// TestFamilyNumber: the number of the family is a parameter of the module.
func TestFamilyNumber(t *testing.T) {
	loadAs(t, "family=27")
	k := socket(t, 27, unix.SOCK_DGRAM)
	udp, wire := udpPair(t, unix.AF_INET)
	check(t, "bind", bind(k, 0, udp, 0))
	s := newSecret(chacha)
	check(t, "KTLS_TX by the number of old", setOption(k, solKTLS, optTX, s.info(dtls12)))
	s.next++
	check(t, "KTLS_TX by the new one", setOption(k, 27, optTX, s.info(dtls12)))
	send(t, k, []byte("27"), 0)
	if got := s.open(t, recv(t, wire)); got[0].plain != "27" {
		t.Errorf("sent %+v", got)
	}
	_, err := unix.Socket(afKTLS, unix.SOCK_DGRAM, 0)
	wantErrno(t, "family 12", err, unix.EAFNOSUPPORT)
}

// TestNothingLeft: /proc/net/protocols counts the family's sockets, and it is 0 when they are closed.
func TestNothingLeft(t *testing.T) {
	load(t)
	lockThread() // in that namespace
	defer runtime.UnlockOSThread()
	count := func() string {
		for line := range strings.Lines(string(must(os.ReadFile("/proc/thread-self/net/protocols"))(t))) {
			if f := strings.Fields(line); f[0] == "KTLS" {
				return f[2]
			}
		}
		t.Fatal("KTLS is not in /proc/net/protocols")
		return ""
	}
	if got := count(); got != "0" {
		t.Errorf("%s sockets before the first", got)
	}
	var fds []int
	for range 3 {
		fds = append(fds, must(unix.Socket(afKTLS, unix.SOCK_DGRAM, 0))(t))
	}
	if got := count(); got != "3" {
		t.Errorf("%s sockets, want 3", got)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	if got := count(); got != "0" {
		t.Errorf("%s sockets are left", got)
	}
}

package afktls

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPeekAndTruncate: as with UDP.
func TestPeekAndTruncate(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	b.write(t, 1, "a longer record")
	b.write(t, 2, "next")
	read := func(size, flags int) (string, int, int) {
		t.Helper()
		buf := make([]byte, size)
		n, _, got, _, err := unix.Recvmsg(b.k, buf, nil, flags)
		check(t, "recv", err)
		return string(buf[:min(n, size)]), n, got & unix.MSG_TRUNC
	}
	if s, n, trunc := read(8, unix.MSG_PEEK); s != "a longer" || n != 8 || trunc == 0 {
		t.Errorf("peeked %q, %d, %d", s, n, trunc)
	}
	if s, n, trunc := read(8, unix.MSG_PEEK|unix.MSG_TRUNC); s != "a longer" || n != 15 || trunc == 0 {
		t.Errorf("peeked %q, %d, %d", s, n, trunc)
	}
	if got := must(unix.IoctlGetInt(b.k, unix.TIOCINQ))(t); got != 15 {
		t.Errorf("FIONREAD says %d", got)
	}
	if s, n, trunc := read(8, 0); s != "a longer" || n != 8 || trunc == 0 {
		t.Errorf("read %q, %d, %d", s, n, trunc)
	}
	if s, n, trunc := read(100, 0); s != "next" || n != 4 || trunc != 0 {
		t.Errorf("read %q, %d, %d", s, n, trunc)
	}
	if got := must(unix.IoctlGetInt(b.k, unix.TIOCINQ))(t); got != 0 {
		t.Errorf("FIONREAD says %d", got)
	}
	wantNothing(t, b.k)
}

// TestSpliceOut: records go into a pipe; the part that does not fit stays.
func TestSpliceOut(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	var p [2]int
	check(t, "pipe", unix.Pipe2(p[:], unix.O_CLOEXEC))
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	data := string(random(9000))
	b.write(t, 1, data)
	b.write(t, 2, "second")
	var got string
	buf := make([]byte, 1<<16)
	for len(got) < len(data) {
		n := must(unix.Splice(b.k, nil, p[1], nil, 5000, 0))(t)
		if n == 0 {
			t.Fatal("splice says the end")
		}
		got += string(buf[:must(unix.Read(p[0], buf))(t)])
	}
	if got != data {
		t.Error("what came through the pipe is not what was sent")
	}
	must(unix.Splice(b.k, nil, p[1], nil, 5000, 0))(t)
	if n := must(unix.Read(p[0], buf))(t); string(buf[:n]) != "second" {
		t.Errorf("read %q", buf[:n])
	}
	_, err := unix.Splice(b.k, nil, p[1], nil, 100, unix.SPLICE_F_NONBLOCK)
	wantErrno(t, "splice of nothing", err, unix.EAGAIN)
	send(t, b.wire, b.rx.seal(t, epoch1|3, alertType, []byte{1, 0}), 0)
	_, err = unix.Splice(b.k, nil, p[1], nil, 100, 0)
	wantErrno(t, "splice of an alert", err, unix.EIO)
	if data, kind, err := recvTyped(t, b.k, 0); string(data) != "\x01\x00" || kind != alertType || err != nil {
		t.Errorf("read % x of type %d, %v", data, kind, err)
	}
}

// TestPoll: a socket is readable if a record was opened, and records for user space do not wake a
// reader.
func TestPoll(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	ep := must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))(t)
	defer unix.Close(ep)
	check(t, "epoll", unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, b.k, &unix.EpollEvent{Events: unix.EPOLLIN}))
	waiting := func(timeout time.Duration) int {
		return must(unix.EpollWait(ep, make([]unix.EpollEvent, 1), int(timeout.Milliseconds())))(t)
	}
	send(t, b.wire, header(handshake, dtls12, 0, 0), 0)
	if got := polled(t, b.k, unix.POLLIN, 0); got != 0 || waiting(0) != 0 {
		t.Errorf("poll says %#x when there is a handshake record for user space", got)
	}
	woken := make(chan int, 1)
	go func() {
		n, _ := unix.EpollWait(ep, make([]unix.EpollEvent, 1), int(patience.Milliseconds()))
		woken <- n
	}()
	b.write(t, 1, "wake up")
	if n := <-woken; n != 1 {
		t.Errorf("epoll was woken by %d events", n)
	}
	if got := polled(t, b.k, unix.POLLIN|unix.POLLOUT, 0); got != unix.POLLIN|unix.POLLOUT {
		t.Errorf("poll says %#x", got)
	}
	wantRecv(t, b.k, []byte("wake up"))
	if got := polled(t, b.k, unix.POLLIN, 0); got != 0 || waiting(0) != 0 {
		t.Errorf("poll says %#x of an empty queue", got)
	}
}

// TestFilter: a socket filter sees the plaintext, from its first byte.
func TestFilter(t *testing.T) {
	load(t)
	for _, together := range []bool{false, true} {
		b := newBench(t, aes128)
		filter := []unix.SockFilter{ // the first byte is 'y': at most 6 bytes of it; else nothing
			{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 'y', Jf: 1},
			{Code: unix.BPF_RET | unix.BPF_K, K: 6},
			{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		}
		check(t, "SO_ATTACH_FILTER", unix.SetsockoptSockFprog(b.k, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}))
		no, yes := b.rx.seal(t, epoch1|1, appData, []byte("no, not this")), b.rx.seal(t, epoch1|2, appData, []byte("yes, this"))
		if together {
			send(t, b.wire, join(no, yes), 0)
		} else {
			send(t, b.wire, no, 0)
			send(t, b.wire, yes, 0)
		}
		wantRecv(t, b.k, []byte("yes, t"))
		wantNothing(t, b.k)
		if got := statsOf(t, b.k); got.filtered != 1 || got.rxRecords != 1 {
			t.Errorf("counted %+v", got)
		}
	}
}

// TestFull: if the reader does not read, records are lost and counted; when it reads, traffic
// continues.
func TestFull(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	check(t, "SO_RCVBUF", unix.SetsockoptInt(b.k, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)) // the kernel's minimum
	const sent = 50
	for i := range uint64(sent) {
		b.write(t, i+1, strings.Repeat("x", 1000))
	}
	got := statsOf(t, b.k)
	if got.full == 0 || got.rxRecords == 0 || got.full+got.rxRecords != sent {
		t.Errorf("counted %+v of %d", got, sent)
	}
	for range got.rxRecords {
		recv(t, b.k)
	}
	wantNothing(t, b.k)
	b.write(t, sent+1, "room again")
	wantRecv(t, b.k, []byte("room again"))
	wantNothing(t, b.udp)
}

// TestDeadPeer: the ICMP message that the port is closed reaches senders and waiting readers.
func TestDeadPeer(t *testing.T) {
	load(t)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		ua, ub := udpPair(t, family)
		k := attached(t, unix.SOCK_DGRAM, aes128, ua)
		s := newSecret(aes128)
		setTX(t, k, s)
		setRX(t, k, s)
		check(t, "close", unix.Close(ub))
		socket(t, unix.AF_UNIX, unix.SOCK_DGRAM) // gets its number
		read := make(chan error, 1)
		go func() {
			_, _, _, _, err := unix.Recvmsg(k, make([]byte, 10), nil, 0)
			read <- err
		}()
		send(t, k, []byte("anybody?"), 0)
		wantErrno(t, "read", <-read, unix.ECONNREFUSED)
		send(t, k, []byte("anybody?"), 0)
		if got := polled(t, k, unix.POLLIN, 0); got&unix.POLLERR == 0 {
			t.Errorf("poll says %#x", got)
		}
		if got := must(unix.GetsockoptInt(k, unix.SOL_SOCKET, unix.SO_ERROR))(t); unix.Errno(got) != unix.ECONNREFUSED {
			t.Errorf("SO_ERROR is %d", got)
		}
		send(t, k, []byte("anybody?"), 0)
		_, err := unix.SendmsgN(k, []byte("anybody?"), nil, nil, 0)
		wantErrno(t, "send", err, unix.ECONNREFUSED)
	}
}

// blockedIn starts a read by recvmsg and waits until the kernel has put the thread to sleep in it.
func blockedIn(t testing.TB, read func() error) <-chan error {
	t.Helper()
	tid, done := make(chan int, 1), make(chan error, 1)
	go func() {
		lockThread()
		tid <- unix.Gettid()
		done <- read()
	}()
	waitAsleep(t, <-tid, unix.SYS_RECVMSG)
	return done
}

// TestDetachWakes: a reader that waits is woken when the socket is detached below.
func TestDetachWakes(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	done := blockedIn(t, func() error {
		_, _, _, _, err := unix.Recvmsg(b.k, make([]byte, 10), nil, 0)
		return err
	})
	check(t, "detach", setOption(b.k, solKTLS, unattach, nil))
	wantErrno(t, "read", <-done, unix.ENOTCONN)
}

// TestShutdown: both halves, and that a detach and a new bind reset it.
func TestShutdown(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	done := blockedIn(t, func() error {
		n, _, _, _, err := unix.Recvmsg(b.k, make([]byte, 10), nil, 0)
		if n != 0 {
			return errors.New("it read something")
		}
		return err
	})
	check(t, "shutdown", unix.Shutdown(b.k, unix.SHUT_RD))
	check(t, "read", <-done)
	send(t, b.k, []byte("sending goes on"), 0)
	recv(t, b.wire)
	check(t, "shutdown", unix.Shutdown(b.k, unix.SHUT_WR))
	_, err := unix.SendmsgN(b.k, []byte("x"), nil, nil, unix.MSG_NOSIGNAL)
	wantErrno(t, "send", err, unix.EPIPE)
	wantErrno(t, "nonsense", unix.Shutdown(b.k, 3), unix.EINVAL)
	check(t, "detach", setOption(b.k, solKTLS, unattach, nil))
	wantErrno(t, "not attached", unix.Shutdown(b.k, unix.SHUT_RD), unix.ENOTCONN)
	check(t, "bind", bind(b.k, aes128, b.udp, 0))
	setTX(t, b.k, b.tx)
	send(t, b.k, []byte("as new"), 0)
	wantNoRecordYet(t, b, "as new")
}

// TestOptionsBelow: options of IP and UDP, and names, are passed to the UDP socket.
func TestOptionsBelow(t *testing.T) {
	load(t)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		a, b, ua, _ := pair(t, family, aes128)
		level, option := unix.SOL_IP, unix.IP_TOS
		if family == unix.AF_INET6 {
			level, option = unix.SOL_IPV6, unix.IPV6_TCLASS
		}
		check(t, "set", unix.SetsockoptInt(a, level, option, 0x20))
		for _, fd := range []int{a, ua} {
			if got := must(unix.GetsockoptInt(fd, level, option))(t); got != 0x20 {
				t.Errorf("the option is %#x", got)
			}
		}
		if got := must(unix.GetsockoptInt(a, unix.SOL_UDP, 1))(t); got != 0 {
			t.Errorf("UDP_CORK is %d", got)
		}
		name, peer := must(unix.Getsockname(a))(t), must(unix.Getpeername(a))(t)
		if portOf(name) != portOf(must(unix.Getsockname(ua))(t)) || portOf(peer) != portOf(must(unix.Getpeername(ua))(t)) {
			t.Errorf("its name is %+v, its peer's %+v", name, peer)
		}
		send(t, b, []byte("from whom?"), 0)
		_, _, _, from, err := unix.Recvmsg(a, make([]byte, 100), nil, 0)
		check(t, "recvmsg", err)
		if portOf(from) != portOf(peer) {
			t.Errorf("received from %+v, want %+v", from, peer)
		}
		if got := must(unix.GetsockoptInt(a, unix.SOL_SOCKET, unix.SO_TYPE))(t); got != unix.SOCK_DGRAM {
			t.Errorf("SO_TYPE is %d", got)
		}
		if got := must(unix.GetsockoptInt(a, unix.SOL_SOCKET, unix.SO_DOMAIN))(t); got != afKTLS {
			t.Errorf("SO_DOMAIN is %d", got)
		}
	}
}

func portOf(a unix.Sockaddr) int {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return 0
}

// TestTimestamps and the count of drops come with the record, as they do with UDP.
func TestTimestamps(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	for _, option := range []int{unix.SO_TIMESTAMPNS, unix.SO_RXQ_OVFL} {
		check(t, "option", unix.SetsockoptInt(b.k, unix.SOL_SOCKET, option, 1))
	}
	b.write(t, 1, "when?")
	oob := make([]byte, 128)
	n, oobn, _, _, err := unix.Recvmsg(b.k, make([]byte, 100), oob, 0)
	check(t, "recvmsg", err)
	messages := must(unix.ParseSocketControlMessage(oob[:oobn]))(t)
	found := false
	for _, m := range messages {
		found = found || m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS
	}
	if n != 5 || !found {
		t.Errorf("read %d bytes, with %+v", n, messages)
	}
}

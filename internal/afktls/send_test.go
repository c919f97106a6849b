package afktls

import (
	"encoding/binary"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mtuOf(t testing.TB, k int) int {
	t.Helper()
	return int(binary.NativeEndian.Uint32(must(getOption(k, solKTLS, getMTU, 4))(t)))
}

// TestMTU: a record fits into a datagram that fits the path, or the MTU that was set; nothing is
// truncated or fragmented.
func TestMTU(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.id)
			overhead := headerLen + b.tx.explicit() + 16
			if got := mtuOf(t, b.k); got != 16384 { // of loopback's 65536
				t.Errorf("a record takes %d bytes", got)
			}
			_, err := unix.SendmsgN(b.k, random(16385), nil, nil, 0)
			wantErrno(t, "more than a record", err, unix.EMSGSIZE)
			for _, size := range []int{4, 8} {
				check(t, "KTLS_SET_MTU", setOption(b.k, solKTLS, setMTU, binary.NativeEndian.AppendUint64(nil, 1400)[:size]))
				if got := mtuOf(t, b.k); got != 1400-overhead {
					t.Errorf("a record takes %d bytes of 1400", got)
				}
			}
			if got := must(getOption(b.k, solKTLS, getMTU, 8))(t); binary.NativeEndian.Uint64(got) != uint64(1400-overhead) {
				t.Errorf("as a size_t: % x", got)
			}
			send(t, b.k, random(1400-overhead), 0)
			if got := recv(t, b.wire); len(got) != 1400 {
				t.Errorf("the largest datagram has %d bytes", len(got))
			}
			_, err = unix.SendmsgN(b.k, random(1400-overhead+1), nil, nil, 0)
			wantErrno(t, "a byte more", err, unix.EMSGSIZE)
			check(t, "back to the path's", setOption(b.k, solKTLS, setMTU, make([]byte, 4)))
			if got := mtuOf(t, b.k); got != 16384 {
				t.Errorf("a record takes %d bytes", got)
			}
			if got := counter(t, b.k, getIVSend); got != epoch1+2 {
				t.Errorf("records that were too long have used numbers: the next is %#x", got)
			}
		})
	}
}

// TestPathMTU: the default is the route's MTU, less the headers of IP and UDP.
func TestPathMTU(t *testing.T) {
	load(t)
	command(t, "ip", "link", "set", "lo", "mtu", "1500")
	defer command(t, "ip", "link", "set", "lo", "mtu", "65536")
	for family, headers := range map[int]int{unix.AF_INET: 28, unix.AF_INET6: 48} {
		for _, c := range ciphers {
			a, b, _, ub := pair(t, family, c.id)
			want := 1500 - headers - headerLen - newSecret(c.id).explicit() - 16
			if got := mtuOf(t, a); got != want {
				t.Errorf("family %d, %s: a record takes %d bytes, want %d", family, c.name, got, want)
			}
			send(t, a, random(want), 0)
			if got := recv(t, b); len(got) != want {
				t.Errorf("received %d bytes", len(got))
			}
			_, err := unix.SendmsgN(a, random(want+1), nil, nil, 0)
			wantErrno(t, "a byte more", err, unix.EMSGSIZE)
			wantNothing(t, ub)
		}
	}
}

// TestMore: MSG_MORE collects data into one record.
func TestMore(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	check(t, "MTU", setOption(b.k, solKTLS, setMTU, binary.NativeEndian.AppendUint32(nil, 100+37)))
	send(t, b.k, []byte("one "), unix.MSG_MORE)
	send(t, b.k, nil, unix.MSG_MORE)
	send(t, b.k, []byte("two "), unix.MSG_MORE)
	wantNothing(t, b.wire)
	_, err := unix.SendmsgN(b.k, random(93), nil, nil, 0)
	wantErrno(t, "more than fits", err, unix.EMSGSIZE)
	_, err = unix.SendmsgN(b.k, random(93), nil, nil, unix.MSG_MORE)
	wantErrno(t, "more than fits, and more", err, unix.EMSGSIZE)
	send(t, b.k, []byte("three"), 0)
	send(t, b.k, random(100), unix.MSG_MORE)
	wantNoRecordYet(t, b, "one two three")
	send(t, b.k, nil, 0)
	if got := b.tx.open(t, recv(t, b.wire)); len(got) != 1 || len(got[0].plain) != 100 || got[0].num != epoch1+2 {
		t.Errorf("sent %+v", got)
	}
	send(t, b.k, []byte("never sent"), unix.MSG_MORE) // closed with the socket
}

// wantNoRecordYet reads a record and checks that it is the only one.
func wantNoRecordYet(t testing.TB, b bench, want string) {
	t.Helper()
	if got := b.tx.open(t, recv(t, b.wire)); len(got) != 1 || got[0].plain != want {
		t.Errorf("sent %+v, want %q", got, want)
	}
	wantNothing(t, b.wire)
}

// TestSendfile: a file is sent in full records, and the rest in one of its own.
func TestSendfile(t *testing.T) {
	load(t)
	for _, size := range []int{0, 1, 22, 999, 1000, 1001, 4096, 8192, 65536, 100000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			b := newBench(t, aes128)
			check(t, "MTU", setOption(b.k, solKTLS, setMTU, binary.NativeEndian.AppendUint32(nil, 1000+37)))
			check(t, "SO_RCVBUFFORCE", unix.SetsockoptInt(b.wire, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20))
			content := random(size)
			f := tempFile(t, content)
			var got []byte
			for sent := 0; sent < size; {
				n := must(unix.Sendfile(b.k, int(f.Fd()), nil, size-sent))(t)
				for records := 0; len(got) < sent+n; records++ {
					plain := b.tx.open(t, recv(t, b.wire))[0].plain
					if len(plain) > 1000 || len(plain) == 0 {
						t.Fatalf("a record of %d bytes", len(plain))
					}
					got = append(got, plain...)
				}
				sent += n
			}
			wantNothing(t, b.wire)
			if string(got) != string(content) {
				t.Error("what arrived is not what was sent")
			}
		})
	}
}

// TestSpliceIn: each splice from a pipe sends one record, as far as the data fits.
func TestSpliceIn(t *testing.T) {
	load(t)
	b := newBench(t, chacha)
	var p [2]int
	check(t, "pipe", unix.Pipe2(p[:], unix.O_CLOEXEC))
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	for _, size := range []int{1, 84, 1400, 9000} {
		data := random(size)
		must(unix.Write(p[1], data))(t)
		if n := must(unix.Splice(p[0], nil, b.k, nil, size, 0))(t); int(n) != size {
			t.Fatalf("spliced %d of %d bytes", n, size)
		}
		var got string
		for len(got) < size {
			got += b.tx.open(t, recv(t, b.wire))[0].plain
		}
		if got != string(data) {
			t.Errorf("%d bytes arrived otherwise", size)
		}
	}
	wantNothing(t, b.wire)
}

func command(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// slowRoute makes a route that takes ten bytes a second, so no record while a test lasts, and a UDP
// socket that sends there. open makes the route take everything.
func slowRoute(t testing.TB) (udp int, open func()) {
	t.Helper()
	command(t, "modprobe", "-a", "dummy", "sch_tbf")
	command(t, "ip", "link", "add", "ktlsslow", "type", "dummy")
	t.Cleanup(func() { command(t, "ip", "link", "del", "ktlsslow") })
	command(t, "ip", "addr", "add", "10.87.0.1/24", "dev", "ktlsslow")
	command(t, "ip", "link", "set", "ktlsslow", "up")
	command(t, "tc", "qdisc", "add", "dev", "ktlsslow", "root", "tbf", "rate", "80bit", "burst", "2000", "limit", "1000000")
	udp = socket(t, unix.AF_INET, unix.SOCK_DGRAM)
	check(t, "connect", unix.Connect(udp, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{10, 87, 0, 2}}))
	return udp, func() { command(t, "tc", "qdisc", "del", "dev", "ktlsslow", "root") }
}

// TestNonblocking: when the device accepts no more, neither does the UDP socket; poll reports that,
// and when it does again.
func TestNonblocking(t *testing.T) {
	load(t)
	udp, open := slowRoute(t)
	k := attached(t, unix.SOCK_DGRAM, aes128, udp)
	setTX(t, k, newSecret(aes128))
	check(t, "SO_SNDBUF", unix.SetsockoptInt(k, unix.SOL_SOCKET, unix.SO_SNDBUF, 20000))
	if got := polled(t, k, unix.POLLOUT, 0); got != unix.POLLOUT {
		t.Fatalf("poll says %#x of an idle socket", got)
	}
	var err error
	sent := 0
	for ; sent < 1000 && err == nil; sent++ {
		_, err = unix.SendmsgN(k, random(1000), nil, nil, unix.MSG_DONTWAIT)
	}
	wantErrno(t, "send to a full socket", err, unix.EAGAIN)
	if got, want := counter(t, k, getIVSend), epoch1+uint64(sent); got != want {
		t.Errorf("what was refused for lack of room has used a number: %#x, want %#x", got, want)
	}
	if got := must(unix.GetsockoptInt(udp, unix.SOL_SOCKET, unix.SO_SNDBUF))(t); got != 40000 {
		t.Errorf("the UDP socket's buffer has %d bytes", got)
	}
	if got := polled(t, k, unix.POLLOUT, 0); got != 0 {
		t.Errorf("poll says %#x of a full socket", got)
	}
	tv := unix.NsecToTimeval(int64(50 * time.Millisecond))
	check(t, "SO_SNDTIMEO", unix.SetsockoptTimeval(k, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv))
	_, err = unix.SendmsgN(k, random(1000), nil, nil, 0)
	wantErrno(t, "send to a full socket, with a time limit", err, unix.EAGAIN)
	ep := must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))(t)
	defer unix.Close(ep)
	check(t, "epoll", unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, k, &unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLET}))
	woken := make(chan int, 1)
	go func() {
		n, _ := unix.EpollWait(ep, make([]unix.EpollEvent, 1), int(patience.Milliseconds()))
		woken <- n
	}()
	open()
	if n := <-woken; n != 1 {
		t.Errorf("epoll was woken by %d events when there was room again", n)
	}
	send(t, k, []byte("room again"), unix.MSG_DONTWAIT)
}

// TestSendErrors: calls that sendmsg refuses.
func TestSendErrors(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	_, err := unix.SendmsgN(b.k, []byte("x"), nil, nil, unix.MSG_OOB)
	wantErrno(t, "MSG_OOB", err, unix.EOPNOTSUPP)
	wantErrno(t, "sendto", unix.Sendto(b.k, []byte("x"), 0, must(unix.Getpeername(b.udp))(t)), unix.EISCONN)
	if _, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(b.k), 8, 100, 0, 0, 0); errno != unix.EFAULT {
		t.Errorf("send from nowhere: %v", errno)
	}
	wantNothing(t, b.wire)
	send(t, b.k, []byte("unharmed"), 0)
	wantNoRecordYet(t, b, "unharmed")
}

// TestMarkAndPriority: values set on the AF_KTLS socket apply to the UDP socket from the next
// record on, including the route for the mark; the priority that IP_TOS sets on the UDP socket
// stays.
func TestMarkAndPriority(t *testing.T) {
	load(t)
	udp, _ := slowRoute(t)
	command(t, "ip", "rule", "add", "fwmark", "77", "prohibit")
	t.Cleanup(func() { command(t, "ip", "rule", "del", "fwmark", "77", "prohibit") })
	k := attached(t, unix.SOCK_DGRAM, aes128, udp)
	setTX(t, k, newSecret(aes128))
	send(t, k, []byte("no mark"), 0)
	check(t, "SO_MARK", unix.SetsockoptInt(k, unix.SOL_SOCKET, unix.SO_MARK, 77))
	_, err := unix.SendmsgN(k, []byte("marked"), nil, nil, 0)
	wantErrno(t, "send where the mark may not go", err, unix.EACCES)
	check(t, "SO_MARK", unix.SetsockoptInt(k, unix.SOL_SOCKET, unix.SO_MARK, 0))
	wantPriority := func(want int) {
		t.Helper()
		send(t, k, []byte("x"), 0)
		if got := must(unix.GetsockoptInt(udp, unix.SOL_SOCKET, unix.SO_PRIORITY))(t); got != want {
			t.Errorf("the UDP socket's priority is %d, want %d", got, want)
		}
	}
	check(t, "SO_PRIORITY", unix.SetsockoptInt(k, unix.SOL_SOCKET, unix.SO_PRIORITY, 3))
	wantPriority(3)
	check(t, "IP_TOS", unix.SetsockoptInt(k, unix.SOL_IP, unix.IP_TOS, 0x10))
	wantPriority(6) // TC_PRIO_INTERACTIVE (rt_tos2priority in net/route.h)
	check(t, "SO_PRIORITY", unix.SetsockoptInt(k, unix.SOL_SOCKET, unix.SO_PRIORITY, 2))
	wantPriority(2)
}

// TestNoRoute: until the UDP socket has a route again, a record that certainly fits is smaller, and
// no other is refused.
func TestNoRoute(t *testing.T) {
	load(t)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		a, b, ua, _ := pair(t, family, aes128)
		for i, size := range []int{1, 1400, 16384} {
			check(t, "SO_MARK", unix.SetsockoptInt(ua, unix.SOL_SOCKET, unix.SO_MARK, 1+i)) // sk_dst_reset
			if got, want := mtuOf(t, a), 1280-map[int]int{unix.AF_INET: 28, unix.AF_INET6: 48}[family]-headerLen-8-16; got != want {
				t.Errorf("family %d: a record takes %d bytes, want %d", family, got, want)
			}
			data := random(size)
			send(t, a, data, []int{0, unix.MSG_MORE, 0}[i])
			if i == 1 {
				send(t, a, nil, 0)
			}
			wantRecv(t, b, data)
			if got := mtuOf(t, a); got != 16384 {
				t.Errorf("family %d: a record takes %d bytes", family, got)
			}
		}
	}
}

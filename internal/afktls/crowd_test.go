package afktls

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestManySenders: with concurrent senders, on several processors and while keys change, no number
// is used twice and each record is complete.
func TestManySenders(t *testing.T) {
	loadAs(t)
	b := newBench(t, aes128)
	check(t, "SO_RCVBUFFORCE", unix.SetsockoptInt(b.wire, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20))
	const senders, each = 4, 150
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				if _, err := unix.Write(b.k, fmt.Appendf(nil, "%d/%d", i, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 { // the same key again, from its current number: the module treats it as a new key
			now, err := getOption(b.k, solKTLS, getIVSend, 8)
			if err == nil {
				err = setOption(b.k, solKTLS, setIVSend, be64(binary.BigEndian.Uint64(now)+1000))
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	nums, texts := map[uint64]bool{}, map[string]bool{}
	for range senders * each {
		for _, r := range b.tx.open(t, recv(t, b.wire)) {
			if nums[r.num] || texts[r.plain] {
				t.Fatalf("number %#x or text %q came twice", r.num, r.plain)
			}
			nums[r.num], texts[r.plain] = true, true
		}
	}
}

// TestManyReaders: a record goes to one of the waiting readers.
func TestManyReaders(t *testing.T) {
	loadAs(t)
	b := newBench(t, chacha)
	const readers, records = 4, 200
	got := make(chan string, records)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			buf := make([]byte, 100)
			for {
				n, err := unix.Read(b.k, buf)
				if err != nil || n == 0 {
					return
				}
				got <- string(buf[:n])
			}
		})
	}
	seen := map[string]bool{}
	for n := range uint64(records) {
		b.write(t, n+1, fmt.Sprint(n))
		if text := <-got; seen[text] {
			t.Fatalf("%q came twice", text)
		} else {
			seen[text] = true
		}
	}
	check(t, "shutdown", unix.Shutdown(b.k, unix.SHUT_RD))
	wg.Wait()
}

// TestSegments: data that a sender gives to UDP in one piece to be split (UDP_SEGMENT), and
// datagrams that a receiver has asked UDP to join (UDP_GRO), are datagrams like others.
func TestSegments(t *testing.T) {
	load(t)
	const udpSegment, udpGRO = 103, 104
	for _, gro := range []int{0, 1} {
		b := newBench(t, aes256)
		check(t, "UDP_GRO", unix.SetsockoptInt(b.udp, unix.SOL_UDP, udpGRO, gro))
		var all []byte
		for n := range uint64(10) {
			all = append(all, b.rx.seal(t, epoch1|(n+1), appData, fmt.Appendf(nil, "segment %d", n))...)
		}
		check(t, "UDP_SEGMENT", unix.SetsockoptInt(b.wire, unix.SOL_UDP, udpSegment, len(all)/10))
		send(t, b.wire, all, 0)
		for n := range 10 {
			wantRecv(t, b.k, fmt.Appendf(nil, "segment %d", n))
		}
		wantNothing(t, b.k)
		wantNothing(t, b.udp)
	}
}

// TestMapped: an IPv6 socket with IPv4 addresses.
func TestMapped(t *testing.T) {
	load(t)
	mapped := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}
	ua, ub := socket(t, unix.AF_INET6, unix.SOCK_DGRAM), socket(t, unix.AF_INET, unix.SOCK_DGRAM)
	check(t, "bind", unix.Bind(ua, &unix.SockaddrInet6{Addr: mapped}))
	check(t, "bind", unix.Bind(ub, loopback(unix.AF_INET)))
	check(t, "connect", unix.Connect(ua, &unix.SockaddrInet6{Addr: mapped, Port: portOf(must(unix.Getsockname(ub))(t))}))
	check(t, "connect", unix.Connect(ub, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: portOf(must(unix.Getsockname(ua))(t))}))
	a, b := attached(t, unix.SOCK_DGRAM, aes128, ua), attached(t, unix.SOCK_DGRAM, aes128, ub)
	s := newSecret(aes128)
	setTX(t, a, s)
	setRX(t, b, s)
	setTX(t, b, s)
	setRX(t, a, s)
	send(t, a, []byte("from IPv6"), 0)
	wantRecv(t, b, []byte("from IPv6"))
	send(t, b, []byte("from IPv4"), 0)
	wantRecv(t, a, []byte("from IPv4"))
}

// TestVectors: sendmmsg and readv, whose flags and pieces do the same as several calls.
func TestVectors(t *testing.T) {
	load(t)
	a, b, _, _ := pair(t, unix.AF_INET, aes128)
	if n := must(sendTwo(a, "first", "second"))(t); n != 2 {
		t.Fatalf("sendmmsg sent %d", n)
	}
	one, two := make([]byte, 3), make([]byte, 100)
	n := must(unix.Readv(b, [][]byte{one, two}))(t)
	if got := string(one) + string(two[:n-3]); got != "first" {
		t.Errorf("read %q", got)
	}
	wantRecv(t, b, []byte("second"))
	must(unix.Writev(a, [][]byte{[]byte("in "), []byte("pieces")}))(t)
	wantRecv(t, b, []byte("in pieces"))
}

package afktls

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"
)

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// TestSeveralRecords: a datagram may hold several records (RFC 6347 4.1.1), and each is a datagram for the reader.
func TestSeveralRecords(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.id)
			var datagram []byte
			var want []string
			for i := range uint64(20) {
				want = append(want, strings.Repeat("x", int(i*7)))
				datagram = append(datagram, b.rx.seal(t, epoch1|(i+1), appData, []byte(want[i]))...)
			}
			send(t, b.wire, datagram, 0)
			for _, w := range want {
				wantRecv(t, b.k, []byte(w))
			}
			wantNothing(t, b.k)
			wantNothing(t, b.udp)
		})
	}
}

// TestUserSpace: records other than application data and alerts of our epoch stay in the UDP
// socket, and nothing else does.
func TestUserSpace(t *testing.T) {
	load(t)
	b := newBench(t, aes256)
	finished := header(handshake, dtls12, epoch1, 40)
	finished = append(finished, random(40)...)
	hello := append(header(handshake, 0xfeff, 3, 60), random(60)...)
	next := b.rx.seal(t, 2<<48|1, appData, []byte("of the next epoch"))
	old := append(header(appData, 0xfeff, epoch1|9, 50), random(50)...)
	one, two := b.rx.seal(t, epoch1|1, appData, []byte("one")), b.rx.seal(t, epoch1|2, appData, []byte("two"))
	stun := append([]byte{0, 1, 0, 8}, random(24)...)
	dtls13 := append([]byte{0x2f}, random(30)...)
	tests := []struct {
		name                 string
		datagram, userSpaces []byte
		ours                 []string
	}{
		{"handshake", finished, finished, nil},
		{"epoch 0", hello, hello, nil},
		{"next epoch", next, next, nil},
		{"DTLS 1.0 in our epoch", old, old, nil},
		{"another protocol", stun, stun, nil},
		{"DTLS 1.3", dtls13, dtls13, nil},
		{"one byte", []byte{23}, []byte{23}, nil},
		{"handshake before ours", join(finished, one), finished, []string{"one"}},
		{"ours in the middle", join(hello, two, finished), join(hello, finished), []string{"two"}},
		{"cut handshake", finished[:30], finished[:30], nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			send(t, b.wire, tt.datagram, 0)
			for _, want := range tt.ours {
				wantRecv(t, b.k, []byte(want))
			}
			wantNothing(t, b.k)
			wantRecv(t, b.udp, tt.userSpaces)
			wantNothing(t, b.udp)
		})
	}
	if got := statsOf(t, b.k); got.otherEpochs != 3 || got.toUserSpace != 8 || got.rxRecords != 2 || got.malformed != 0 {
		t.Errorf("counted %+v", got)
	}
}

// TestMalformed: a broken record of our type reaches no reader.
func TestMalformed(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.id)
			good := b.rx.seal(t, epoch1|1, appData, []byte("good"))
			overhead := b.rx.explicit() + 16
			record := func(claimed, real int) []byte {
				return append(header(appData, dtls12, epoch1|2, claimed), random(real)...)
			}
			var bad [][]byte
			for n := range overhead {
				bad = append(bad, record(n, n))
			}
			bad = append(bad, record(0, 100), record(100, 99), record(0xffff, 100), record(overhead+16385, overhead+16385),
				record(overhead, overhead-1), record(100, 0))
			for _, datagram := range bad {
				send(t, b.wire, datagram, 0)
				wantNothing(t, b.k)
				wantNothing(t, b.udp)
			}
			before := statsOf(t, b.k)
			if before.malformed < uint64(len(bad)) || before.rxRecords != 0 || before.badTags != 0 {
				t.Errorf("counted %+v after %d malformed datagrams", before, len(bad))
			}
			send(t, b.wire, join(good, []byte("garbage")), 0)
			wantRecv(t, b.k, []byte("good"))
			wantNothing(t, b.udp)
			if got := statsOf(t, b.k); got.malformed != before.malformed+1 {
				t.Errorf("counted %+v after garbage behind a record", got)
			}
		})
	}
}

// TestEmptyDatagram is not a record, and UDP delivers it.
func TestEmptyDatagram(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	send(t, b.wire, nil, 0)
	wantRecv(t, b.udp, nil)
	wantNothing(t, b.k)
}

// TestTaps: a packet socket shares the datagram's bytes, and sees what was on the wire.
func TestTaps(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	tap := socket(t, unix.AF_PACKET, unix.SOCK_DGRAM)
	check(t, "bind", unix.Bind(tap, &unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: 1})) // ETH_P_IP, lo
	datagram := b.rx.seal(t, epoch1|1, appData, []byte("do not touch"))
	send(t, b.wire, datagram, 0)
	wantRecv(t, b.k, []byte("do not touch"))
	if got := recv(t, tap); !strings.HasSuffix(string(got), string(datagram)) {
		t.Fatalf("the tap sees % x, sent was % x", got, datagram)
	}
}

// TestDrain: datagrams that arrived before the socket was attached, or before it had its key.
func TestDrain(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	b := bench{udp: udp, wire: wire, rx: newSecret(aes128)}
	finished := append(header(handshake, dtls12, epoch1, 40), random(40)...)
	stun := append([]byte{0, 1}, random(24)...)
	b.write(t, 1, "one")
	send(t, wire, finished, 0)
	b.write(t, 2, "two")
	send(t, wire, join(stun), 0)
	send(t, wire, join(finished, b.rx.seal(t, epoch1|3, appData, []byte("three"))), 0)
	b.k = attached(t, unix.SOCK_DGRAM, aes128, udp)
	b.write(t, 4, "four")
	wantNothing(t, b.k)
	setRX(t, b.k, b.rx)
	b.write(t, 5, "five")
	if got := statsOf(t, b.k); got.rxRecords != 5 || got.toUserSpace != 3 {
		t.Errorf("counted %+v", got)
	}
	for _, want := range []string{"one", "two", "three", "four", "five"} {
		wantRecv(t, b.k, []byte(want))
	}
	wantNothing(t, b.k)
	for _, want := range [][]byte{finished, stun, finished} {
		wantRecv(t, udp, want)
	}
	wantNothing(t, udp)
}

// TestDrainOrder: a peer sends all the time, and the key arrives amid its datagrams. Each record is
// delivered, in the order in which they were sent; so is, to the UDP socket, what is not the module's.
func TestDrainOrder(t *testing.T) {
	load(t)
	for trial := range 10 {
		t.Run(fmt.Sprint(trial), func(t *testing.T) {
			udp, wire := udpPair(t, unix.AF_INET)
			muchRoom(t, udp)
			k, s := attached(t, unix.SOCK_DGRAM, aes128, udp), newSecret(aes128)
			datagram := func(i int) []byte {
				if i%10 == 0 {
					return append(header(handshake, dtls12, 0, 8), be64(uint64(i))...)
				}
				return s.seal(t, epoch1|uint64(i+1), appData, fmt.Append(nil, i))
			}
			for i := range keyAmid(t, k, s, wire, 5*trial, datagram) {
				if i%10 == 0 {
					wantRecv(t, udp, datagram(i))
				} else {
					wantRecv(t, k, fmt.Append(nil, i))
				}
			}
			wantNothing(t, k)
			wantNothing(t, udp)
		})
	}
}

// muchRoom lets a socket hold all that the tests of this file send.
func muchRoom(t *testing.T, fd int) {
	t.Helper()
	check(t, "SO_RCVBUFFORCE", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
}

// keyAmid sets a key for receiving while the peer sends: some datagrams before, others until it is
// set, and one behind. It returns how many. They go out on one processor: else they could overtake
// each other.
func keyAmid(t *testing.T, k int, s secret, wire, before int, datagram func(i int) []byte) (n int) {
	t.Helper()
	begun, set, sent := make(chan bool), make(chan bool), make(chan error, 1)
	send := func() (err error) {
		_, err = unix.Write(wire, datagram(n))
		n++
		return err
	}
	go func() {
		lockThread()
		var last unix.CPUSet
		last.Set(runtime.NumCPU() - 1)
		err := unix.SchedSetaffinity(0, &last)
		for ; err == nil && n < before; err = send() {
		}
		close(begun)
		for ; err == nil && n < 10000 && !isClosed(set); err = send() {
		}
		<-set
		if err == nil {
			err = send()
		}
		sent <- err
	}()
	<-begun
	setRX(t, k, s)
	close(set)
	check(t, "send", <-sent)
	return n
}

func isClosed(c <-chan bool) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// handshakeDatagram is not the module's.
func handshakeDatagram(int) []byte {
	return append(header(handshake, dtls12, 0, 1000), random(1000)...)
}

// TestDrainFull: what is not the module's and comes amid the key gets no more room than UDP gives it,
// and what finds none is counted.
func TestDrainFull(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	check(t, "SO_RCVBUF", unix.SetsockoptInt(udp, unix.SOL_SOCKET, unix.SO_RCVBUF, 0)) // the smallest there is
	k := socket(t, afKTLS, unix.SOCK_DGRAM)
	muchRoom(t, k)
	check(t, "bind", bind(k, aes128, udp, 0))
	sent := uint64(keyAmid(t, k, newSecret(aes128), wire, 1, handshakeDatagram))
	memory := func(i int) uint64 {
		return uint64(binary.NativeEndian.Uint32(must(getOption(udp, unix.SOL_SOCKET, unix.SO_MEMINFO, 64))(t)[4*i:]))
	}
	var got uint64
	for deadline := time.Now().Add(patience); ; {
		if held, most := memory(0), uint64(must(unix.GetsockoptInt(udp, unix.SOL_SOCKET, unix.SO_RCVBUF))(t)); held > 2*most {
			t.Fatalf("the UDP socket holds %d bytes, and may hold %d", held, most)
		}
		for {
			if _, _, err := unix.Recvfrom(udp, make([]byte, 2000), unix.MSG_DONTWAIT); err != nil {
				break
			}
			got++
		}
		lost, dropped := statsOf(t, k).full, memory(8) // by the module, by UDP
		if got+lost+dropped == sent && got > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d datagrams %d were read, %d and %d counted as lost", sent, got, lost, dropped)
		}
	}
}

// TestDrainFilter: what the UDP socket's filter refuses does not come to it amid the key either.
func TestDrainFilter(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	muchRoom(t, udp)
	noHandshake := []unix.SockFilter{ // which begins with the UDP header
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 8},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: handshake},
		{Code: unix.BPF_RET | unix.BPF_K},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
	}
	check(t, "SO_ATTACH_FILTER", unix.SetsockoptSockFprog(udp, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(noHandshake)), Filter: &noHandshake[0]}))
	k, s := attached(t, unix.SOCK_DGRAM, aes128, udp), newSecret(aes128)
	keyAmid(t, k, s, wire, 1, handshakeDatagram)
	wantNothing(t, udp)
}

// TestDrainMemory: data that goes back into the UDP socket is charged to it as before, or its
// receive buffer would shrink or grow for ever.
func TestDrainMemory(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	rx := newSecret(aes128)
	k := attached(t, unix.SOCK_DGRAM, aes128, udp)
	for round := range uint64(30) {
		for range 20 {
			send(t, wire, append(header(handshake, dtls12, 0, 1000), random(1000)...), 0)
		}
		rx.next = epoch1 + round
		setRX(t, k, rx)
		for range 20 {
			if got := recv(t, udp); len(got) != headerLen+1000 {
				t.Fatalf("round %d: %d bytes came back", round, len(got))
			}
		}
	}
	if got := must(unix.GetsockoptInt(udp, unix.SOL_SOCKET, unix.SO_MEMINFO))(t); got != 0 {
		t.Errorf("%d bytes are charged to an empty socket", got)
	}
}

// TestDrainPeeked: a reader peeks at a datagram in the UDP socket at the moment when the key
// arrives. It gets the datagram as it arrived.
func TestDrainPeeked(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	k, s := attached(t, unix.SOCK_DGRAM, aes128, udp), newSecret(aes128)
	record := s.seal(t, epoch1|1, appData, []byte("peeked at"))
	send(t, wire, record, 0)
	p := newTrap(t)
	done := p.read(udp, unix.MSG_PEEK)
	p.wait(t)
	setRX(t, k, s)
	wantRecv(t, k, []byte("peeked at"))
	p.release(t)
	check(t, "peek", <-done)
	if string(p.got) != string(record) {
		t.Errorf("peeked at % x, want % x", p.got, record)
	}
}

// TestDrainChecksum: UDP counts and drops a datagram that was damaged on its way, also one that
// arrived before the UDP socket was attached: UDP checks it when it is read.
func TestDrainChecksum(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	s := newSecret(aes128)
	long := []byte(strings.Repeat("damaged ", 100)) // UDP checks a short one at once
	sendDamaged(t, wire, s.seal(t, epoch1|1, appData, long))
	send(t, wire, s.seal(t, epoch1|2, appData, []byte("whole")), 0)
	k := attached(t, unix.SOCK_DGRAM, aes128, udp)
	setRX(t, k, s)
	sendDamaged(t, wire, s.seal(t, epoch1|3, appData, long))
	wantRecv(t, k, []byte("whole"))
	wantNothing(t, k)
	wantNothing(t, udp)
	if got := statsOf(t, k); got.rxRecords != 1 || got.badTags != 0 || got.toUserSpace != 0 {
		t.Errorf("counted %+v", got)
	}
}

// sendDamaged sends a datagram with a wrong checksum from one of two connected sockets.
func sendDamaged(t testing.TB, from int, data []byte) {
	t.Helper()
	local := must(unix.Getsockname(from))(t).(*unix.SockaddrInet4)
	peer := must(unix.Getpeername(from))(t).(*unix.SockaddrInet4)
	udp := layers.UDP{SrcPort: layers.UDPPort(local.Port), DstPort: layers.UDPPort(peer.Port)}
	check(t, "checksum", udp.SetNetworkLayerForChecksum(&layers.IPv4{SrcIP: local.Addr[:], DstIP: peer.Addr[:], Protocol: layers.IPProtocolUDP}))
	b := gopacket.NewSerializeBuffer()
	check(t, "datagram", gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, &udp, gopacket.Payload(data)))
	b.Bytes()[6] ^= 1 // in the checksum
	raw := must(unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP))(t)
	defer unix.Close(raw)
	check(t, "send", unix.Sendto(raw, b.Bytes(), 0, &unix.SockaddrInet4{Addr: peer.Addr}))
	settle(t)
}

// TestDrainError: a pending error of the UDP socket is reported, and hides no datagram that arrived
// before it.
func TestDrainError(t *testing.T) {
	load(t)
	udp, wire := udpPair(t, unix.AF_INET)
	k, s := socket(t, afKTLS, unix.SOCK_DGRAM), newSecret(aes128)
	send(t, wire, s.seal(t, epoch1|1, appData, []byte("last words")), 0)
	check(t, "close", unix.Close(wire))
	socket(t, unix.AF_UNIX, unix.SOCK_DGRAM) // gets its number
	send(t, udp, []byte("anybody?"), 0)
	check(t, "bind", bind(k, aes128, udp, 0))
	setRX(t, k, s)
	_, _, _, _, err := unix.Recvmsg(k, make([]byte, 10), nil, unix.MSG_DONTWAIT)
	wantErrno(t, "read", err, unix.ECONNREFUSED)
	wantRecv(t, k, []byte("last words"))
	wantNothing(t, k)
}

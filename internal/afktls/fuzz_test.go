package afktls

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	fuzzSeed  = flag.Uint64("fuzzseed", 1, "first number of the random generator")
	fuzzCount = flag.Int("fuzzcount", 3000, "datagrams and calls of options")
	fuzzTime  = flag.Duration("fuzztime", 4*time.Second, "time limit for each of both")
)

// fuzz calls one until there were enough calls or the time is over, and returns the number of
// calls.
func fuzz(t *testing.T, one func(r *rand.Rand)) {
	t.Helper()
	r := rand.New(rand.NewPCG(*fuzzSeed, 0))
	begin := time.Now()
	n := 0
	for ; n < *fuzzCount && time.Since(begin) < *fuzzTime; n++ {
		one(r)
	}
	t.Logf("%d of %d, seed %d, in %v", n, *fuzzCount, *fuzzSeed, time.Since(begin).Round(time.Second))
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// mutated makes a datagram of records that are valid, nearly valid, or garbage.
func mutated(t *testing.T, r *rand.Rand, s secret, seq *uint64) []byte {
	var b []byte
	for range 1 + r.IntN(3) {
		*seq += uint64(r.IntN(3))
		epoch := uint64(1)
		if r.IntN(10) == 0 {
			epoch = uint64(r.IntN(4))
		}
		kind := []byte{appData, appData, appData, alertType, handshake, byte(r.Uint32())}[r.IntN(6)]
		b = append(b, s.seal(t, epoch<<48|*seq, kind, randomBytes(r, r.IntN(60)))...)
	}
	switch r.IntN(6) {
	case 0:
		return randomBytes(r, r.IntN(200))
	case 1:
		return b[:r.IntN(len(b)+1)]
	case 2:
		return append(b, randomBytes(r, r.IntN(30))...)
	case 3:
		for range 1 + r.IntN(4) {
			b[r.IntN(min(len(b), 40))] = byte(r.Uint32())
		}
	case 4:
		binary.BigEndian.PutUint16(b[11:], uint16(r.Uint32()))
	}
	return b
}

// TestFuzzDatagrams: for any input, only sealed records come out, each once, and the socket
// continues to work.
func TestFuzzDatagrams(t *testing.T) {
	load(t)
	for _, c := range ciphers {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.id)
			var seq, sent uint64
			drain := func() {
				settle(t)
				buf := make([]byte, 1<<16)
				oob := make([]byte, 64)
				for {
					if _, _, _, _, err := unix.Recvmsg(b.k, buf, oob, unix.MSG_DONTWAIT); err != nil {
						break
					}
				}
				for {
					if _, _, _, _, err := unix.Recvmsg(b.udp, buf, nil, unix.MSG_DONTWAIT); err != nil {
						break
					}
				}
			}
			fuzz(t, func(r *rand.Rand) {
				if _, err := unix.Write(b.wire, mutated(t, r, b.rx, &seq)); err != nil {
					t.Fatal(err)
				}
				if sent++; sent%64 == 0 {
					drain()
				}
			})
			drain()
			got := statsOf(t, b.k)
			if got.rxRecords == 0 || got.badTags == 0 || got.malformed == 0 || got.replays == 0 || got.otherEpochs == 0 {
				t.Errorf("the datagrams did not try everything: %+v", got)
			}
			b.write(t, 1<<47, "goes on")
			wantRecv(t, b.k, []byte("goes on"))
		})
	}
}

// fuzzOption sets an option to a value that may be valid for it.
func fuzzOption(r *rand.Rand, fd int) {
	level := []int{solKTLS, solKTLS, solKTLS, solKTLS, unix.SOL_IP, unix.SOL_UDP, unix.SOL_TCP, solTLS, unix.SOL_SOCKET}[r.IntN(9)]
	name := r.IntN(30)
	if level == unix.SOL_SOCKET { // timeouts would make the test wait
		name = []int{unix.SO_RCVBUF, unix.SO_SNDBUF, unix.SO_MARK, unix.SO_PRIORITY, unix.SO_RXQ_OVFL}[r.IntN(5)]
	}
	size := []int{0, 4, 6, 8, 12, 16, 32, 40, 56, 60, r.IntN(100)}[r.IntN(11)]
	if r.IntN(3) == 0 {
		getOption(fd, level, name, size)
		return
	}
	value := randomBytes(r, size)
	if size >= 4 && r.IntN(2) == 0 {
		binary.NativeEndian.PutUint16(value, []uint16{dtls12, tls12, 0x0304}[r.IntN(3)])
		binary.NativeEndian.PutUint16(value[2:], uint16(51+r.IntN(5)))
	}
	if level == unix.SOL_TCP && name == 31 || level == solKTLS && name == unattach && r.IntN(10) != 0 {
		return
	}
	setOption(fd, level, name, value)
}

// fuzzCall makes another call that does not block.
func fuzzCall(r *rand.Rand, fd int) {
	switch r.IntN(7) {
	case 0:
		unix.SendmsgN(fd, randomBytes(r, r.IntN(2000)), nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL|r.IntN(2)*unix.MSG_MORE)
	case 1:
		unix.Recvmsg(fd, make([]byte, r.IntN(3000)), make([]byte, r.IntN(60)), unix.MSG_DONTWAIT|r.IntN(2)*unix.MSG_PEEK)
	case 2:
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}, 0)
	case 3:
		unix.Getsockname(fd)
	case 4:
		unix.IoctlGetInt(fd, unix.TIOCINQ)
	case 5:
		unix.SendmsgN(fd, randomBytes(r, r.IntN(100)), typeMessage(byte(r.Uint32())), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	case 6:
		if r.IntN(50) == 0 {
			unix.Shutdown(fd, r.IntN(4))
		}
	}
}

// TestFuzzOptions: options in any order with any value, on sockets that are attached or not, do no
// harm to traffic.
func TestFuzzOptions(t *testing.T) {
	load(t)
	ua, ub := udpPair(t, unix.AF_INET)
	ta, tb := tcpPair(t, unix.AF_INET)
	kinds := []int{unix.SOCK_DGRAM, unix.SOCK_DGRAM, unix.SOCK_STREAM, unix.SOCK_STREAM}
	below := []int{ua, ub, ta, tb}
	fds := make([]int, 4)
	for i := range fds {
		fds[i] = must(unix.Socket(afKTLS, kinds[i]|unix.SOCK_CLOEXEC, 0))(t)
	}
	fuzz(t, func(r *rand.Rand) {
		i := r.IntN(4)
		switch n := r.IntN(100); {
		case n < 2:
			unix.Close(fds[i])
			fds[i] = must(unix.Socket(afKTLS, kinds[i]|unix.SOCK_CLOEXEC, 0))(t)
		case n < 10:
			bind(fds[i], []uint16{0, aes128, aes256, chacha, uint16(r.Uint32())}[r.IntN(5)], below[r.IntN(4)], uint16(r.IntN(3)))
		case n < 40:
			fuzzCall(r, fds[i])
		default:
			fuzzOption(r, fds[i])
		}
	})
	for _, fd := range fds {
		unix.Close(fd)
	}
	b := newBench(t, aes128)
	b.write(t, 1, "goes on")
	wantRecv(t, b.k, []byte("goes on"))
}

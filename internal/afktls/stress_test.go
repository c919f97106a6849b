package afktls

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var stressTime = flag.Duration("stress", 3*time.Second, "how long sockets are attached, detached and closed under traffic")

// stressRounds is how often the module is unloaded and loaded again in a stress test: at least
// three times, and every ten seconds.
func stressRounds() int { return max(3, int(*stressTime/(10*time.Second))) }

// A storm is traffic on a pair of sockets whose ends are closed and made again.
type storm struct {
	ua, ub int
	s      [2]secret
	epoch  atomic.Uint64
	stop   atomic.Bool
	turns  atomic.Int64
	ends   [2]atomic.Int64 // descriptors, used by other threads while they are closed
}

// life is one life of one end: attach, keys, some traffic, and an end of some kind.
func (w *storm) life(r *rand.Rand, end int) error {
	k, err := unix.Socket(afKTLS, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(k)
	w.ends[end].Store(int64(k))
	if err := bind(k, 0, []int{w.ua, w.ub}[end], 0); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("bind: %w", err)
	}
	tx, rx := w.s[end], w.s[1-end]
	tx.next = w.epoch.Add(1) << 48 & (0xffff << 48)
	setOption(k, solKTLS, optTX, tx.info(dtls12))
	setOption(k, solKTLS, optRX, rx.info(dtls12))
	for range r.IntN(30) {
		w.use(r, k)
	}
	if r.IntN(2) == 0 {
		setOption(k, solKTLS, unattach, nil)
		w.use(r, k)
	}
	w.turns.Add(1)
	return nil
}

func (w *storm) use(r *rand.Rand, k int) {
	switch r.IntN(6) {
	case 0, 1:
		unix.SendmsgN(k, make([]byte, r.IntN(3000)), nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL|r.IntN(2)*unix.MSG_MORE)
	case 2:
		unix.Recvmsg(k, make([]byte, 4000), nil, unix.MSG_DONTWAIT|r.IntN(2)*unix.MSG_PEEK)
	case 3:
		unix.Poll([]unix.PollFd{{Fd: int32(k), Events: unix.POLLIN | unix.POLLOUT}}, r.IntN(2))
	case 4:
		fuzzOption(r, k)
	case 5:
		fuzzCall(r, k)
	}
}

// others use the descriptor of an end while it is detached and closed by another thread.
func (w *storm) others(r *rand.Rand) {
	for !w.stop.Load() {
		w.use(r, int(w.ends[r.IntN(2)].Load()))
	}
}

// traffic writes good and bad datagrams to both ends.
func (w *storm) traffic(t *testing.T, r *rand.Rand) {
	var seq uint64
	for !w.stop.Load() {
		end := r.IntN(2)
		unix.Write([]int{w.ua, w.ub}[end], mutated(t, r, w.s[end], &seq))
		unix.Recvmsg([]int{w.ua, w.ub}[end], make([]byte, 4000), nil, unix.MSG_DONTWAIT)
	}
}

// run runs the storm. A descriptor number that others hold may be that of the other end when they
// use it: only the storm opens and closes descriptors meanwhile.
func (w *storm) run(t *testing.T, seed uint64) {
	var wg sync.WaitGroup
	start := func(fn func(r *rand.Rand), n uint64) {
		wg.Go(func() { fn(rand.New(rand.NewPCG(seed, n))) })
	}
	for end := range 2 {
		w.ends[end].Store(int64([]int{w.ua, w.ub}[end]))
		start(func(r *rand.Rand) {
			for !w.stop.Load() {
				if err := w.life(r, end); err != nil {
					t.Error(err)
					return
				}
			}
		}, uint64(end))
	}
	start(w.others, 2)
	start(func(r *rand.Rand) { w.traffic(t, r) }, 3)
	time.Sleep(*stressTime / time.Duration(stressRounds())) // the length of the storm
	w.stop.Store(true)
	wg.Wait()
}

// TestStress: sockets are attached, detached and closed under traffic by several threads, and the
// module can be unloaded afterwards: a leaked socket would prevent that, and the kernel complains
// about memory left in its cache.
func TestStress(t *testing.T) {
	loadAs(t).Unload(t) // or skip
	var turns int64
	for round := range stressRounds() {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			m := loadAs(t)
			w := &storm{s: [2]secret{newSecret(aes128), newSecret(aes128)}}
			w.ua, w.ub = udpPair(t, unix.AF_INET)
			w.run(t, *fuzzSeed+uint64(round))
			turns += w.turns.Load()
			m.Unload(t)
		})
	}
	if turns == 0 {
		t.Error("no socket came and went")
	}
	t.Logf("%d sockets came and went, %d kB are in the kernel's caches", turns, unreclaimable(t))
}

// unreclaimable is the memory of the kernel's objects, in kB.
func unreclaimable(t testing.TB) (kB int) {
	t.Helper()
	for line := range strings.Lines(string(must(os.ReadFile("/proc/meminfo"))(t))) {
		if _, err := fmt.Sscanf(line, "SUnreclaim: %d kB", &kB); err == nil {
			return kB
		}
	}
	t.Fatal("no SUnreclaim in /proc/meminfo")
	return 0
}

// TestNoGrowth: keys, records and datagrams are freed. A leak would show after so many.
func TestNoGrowth(t *testing.T) {
	load(t)
	b := newBench(t, aes128)
	turn := func(n uint64) {
		b.tx.next, b.rx.next = epoch1+n*4, 0
		setTX(t, b.k, b.tx)
		send(t, b.k, []byte("one "), unix.MSG_MORE)
		send(t, b.k, []byte("two"), 0)
		recv(t, b.wire)
		send(t, b.wire, join(b.rx.seal(t, epoch1|(n*4), appData, random(900)), b.rx.seal(t, epoch1|(n*4+1), appData, random(900))), 0)
		recv(t, b.k)
		recv(t, b.k)
		b.write(t, n*4, "a replay")
	}
	const warm, turns, most = 100, 600, 400
	for n := range uint64(warm) {
		turn(n + 1)
	}
	before := unreclaimable(t)
	for n := range uint64(turns) {
		turn(warm + n + 1)
	}
	if got := unreclaimable(t) - before; got > most {
		t.Errorf("%d kB more are taken after %d turns", got, turns)
	}
}

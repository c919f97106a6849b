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

// slabs is how many sockets the kernel holds for the family, freed or not.
func slabs(t testing.TB) string {
	t.Helper()
	for line := range strings.Lines(string(must(os.ReadFile("/proc/slabinfo"))(t))) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "KTLS" {
			return f[1]
		}
	}
	return "0"
}

// A storm is traffic on a pair of sockets whose ends come and go.
type storm struct {
	ua, ub int
	s      [2]secret
	epoch  atomic.Uint64
	stop   atomic.Bool
	turns  atomic.Int64
	ends   [2]atomic.Int64 // descriptors, as others use them while they are closed
}

// life is one life of one end: attach, keys, some traffic, and a death of some kind.
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

// others use the descriptor of an end while it is detached and closed below them.
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

// guarded numbers of descriptors are opened anew by others while a storm's threads hold them: only the storm's own
// sockets are, since each end is opened and closed by one goroutine, and a stale number is at worst the other end's.
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
	time.Sleep(*stressTime / stressRounds) // the length of the storm
	w.stop.Store(true)
	wg.Wait()
}

// stressRounds is how often the module is unloaded and loaded again in a stress.
const stressRounds = 3

// TestStress: sockets are attached, detached and closed under traffic by several threads, and the module goes when
// they have gone. Nothing is left of them.
func TestStress(t *testing.T) {
	var turns int64
	for round := range stressRounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			m := load(t)
			before := slabs(t)
			w := &storm{s: [2]secret{newSecret(aes128), newSecret(aes128)}}
			w.ua, w.ub = udpPair(t, unix.AF_INET)
			w.run(t, *fuzzSeed+uint64(round))
			turns += w.turns.Load()
			if got := slabs(t); got != before && before != "0" {
				t.Errorf("%s sockets are in memory, %s were", got, before)
			}
			m.Unload(t)
		})
	}
	if turns == 0 {
		t.Error("no socket came and went")
	}
	t.Logf("%d sockets came and went", turns)
}

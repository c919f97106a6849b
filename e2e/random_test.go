package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var randomSeed = flag.Uint64("random-seed", 0, "seed of the random traffic, 0 for one from the clock")

// playRandomTraffic mixes all calls over several connections at once for a limited
// number of steps. The model keeps the expected records of each.
func playRandomTraffic(t *testing.T) func(*testing.T, trace) {
	const conns, steps = 6, 40
	seed := *randomSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -random-seed %d", seed)
	models := make([]*model, conns)
	t.Run("traffic", func(t *testing.T) {
		for i := range models {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			s := security{[]string{"1.2", "1.3"}[i%2], []string{"AES-GCM-128", "AES-GCM-256", "CHACHA20-POLY1305"}[i%3], "sw"}
			m := &model{rng: rng, p: newPair(t, s), s: s}
			models[i] = m
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				defer m.p.close()
				for range steps {
					m.step(t)
				}
			})
		}
	})
	return func(t *testing.T, got trace) {
		for i, m := range models {
			t.Run(fmt.Sprintf("compare %d", i), func(t *testing.T) {
				got.skipSkipped(t, m.p)
				got.compare(t, m.p.lport, m.p.rport, "tx", m.tx, m.s)
				got.compare(t, m.p.rport, m.p.lport, "rx", m.rx, m.s)
			})
		}
	}
}

// model is one connection and its expected records.
type model struct {
	rng    *rand.Rand
	p      *pair
	s      security
	tx, rx []piece
}

// step sends data by a random call and reads all of it by another.
func (m *model) step(t *testing.T) {
	t.Helper()
	if m.rng.IntN(8) == 0 {
		m.control(t)
		return
	}
	b := pattern(m.size(), m.rng.IntN(1000))
	op := m.sendSomehow(t, b)
	parts := cut(b)
	m.tx = append(m.tx, data(op, parts...)...)
	m.rx = append(m.rx, data(m.receiveSomehow(t, b, parts), parts...)...)
}

func (m *model) size() int {
	return []int{1, 2 + m.rng.IntN(100), 100 + m.rng.IntN(5000), 16383 + m.rng.IntN(3), 1 + m.rng.IntN(40000)}[m.rng.IntN(5)]
}

func cut(b []byte) (parts [][]byte) {
	for ; len(b) > 0; b = b[min(maxRecord, len(b)):] {
		parts = append(parts, b[:min(maxRecord, len(b))])
	}
	return parts
}

func (m *model) control(t *testing.T) {
	t.Helper()
	for _, c := range []piece{{[]byte{4, 0, 0, 0}, "send", "handshake"}, {[]byte{1, 0}, "send", "alert"}} {
		m.p.sendControl(t, map[string]byte{"handshake": 22, "alert": 21}[c.typ], c.b)
		m.tx = append(m.tx, c)
		got, _ := m.p.recvControl(t, 100)
		checkSame(t, got, c.b)
		c.op = "recv"
		m.rx = append(m.rx, c)
	}
}

func (m *model) sendSomehow(t *testing.T, b []byte) (op string) {
	t.Helper()
	switch m.rng.IntN(6) {
	case 0:
		i := m.rng.IntN(len(b))
		must(t, again(func() error { _, err := unix.Writev(m.p.a, [][]byte{b[:i], b[i:]}); return err }))
	case 1: // the last call must bring at least a byte, to close the record
		i := m.rng.IntN(len(b))
		if i > 0 {
			m.p.send(t, b[:i], unix.MSG_MORE)
		}
		m.p.send(t, b[i:], 0)
	case 2:
		f := fileWith(t, b)
		must(t, sendfile(m.p, f))
		must(t, f.Close()) // a soak sends many
		return "sendfile"
	case 3:
		must(t, again(func() error { return sendmmsg(m.p.a, b) }))
	case 4:
		must(t, uring(m.p.a, uringOpSend, b))
		return "uring_send"
	default:
		m.p.send(t, b, 0)
	}
	return "send"
}

func (m *model) receiveSomehow(t *testing.T, b []byte, parts [][]byte) (op string) {
	t.Helper()
	switch m.rng.IntN(5) {
	case 0:
		checkSame(t, m.p.recv(t, len(b), 1+m.rng.IntN(len(b))), b)
	case 1:
		peek := make([]byte, 1+m.rng.IntN(len(parts[0])))
		m.p.recvfrom(t, peek, unix.MSG_PEEK|unix.MSG_WAITALL)
		checkSame(t, peek, b[:len(peek)])
		checkSame(t, m.p.recv(t, len(b), len(b)), b)
	case 2:
		spliceOut(t, m.p, b)
		return "splice_read"
	case 3:
		m.p.recvAll(t, len(b))
	default:
		checkSame(t, m.p.recv(t, len(b), 16384), b)
	}
	return "recv"
}

package gen

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// maxSize limits a write in bytes; a server accepts no larger one.
const maxSize = 1 << 30

// Size is the distribution of the bytes of a write: always Min, uniform from Min to
// Max, or exponential with Mean, limited to 10*Mean.
type Size struct {
	Min, Max int
	Mean     int // 0 unless exponential
}

// ParseSize parses N, MIN..MAX or exp:MEAN, in bytes.
func ParseSize(s string) (Size, error) {
	var z Size
	var err error
	if mean, ok := strings.CutPrefix(s, "exp:"); ok {
		z.Mean, err = parseBytes(mean)
		z.Min, z.Max = 1, min(10*z.Mean, maxSize)
	} else {
		low, high, ranged := strings.Cut(s, "..")
		if !ranged {
			high = low
		}
		if z.Min, err = parseBytes(low); err == nil {
			z.Max, err = parseBytes(high)
		}
	}
	if err == nil && z.Min > z.Max {
		err = fmt.Errorf("%d is more than %d", z.Min, z.Max)
	}
	if err != nil {
		return Size{}, fmt.Errorf("size %q: %w; sizes are N, MIN..MAX or exp:MEAN, in bytes", s, err)
	}
	return z, nil
}

func parseBytes(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", s)
	}
	if n < 1 || n > maxSize {
		return 0, fmt.Errorf("%d is outside 1 to %d", n, maxSize)
	}
	return n, nil
}

// String returns the form that ParseSize parses.
func (z Size) String() string {
	switch {
	case z.Mean != 0:
		return "exp:" + strconv.Itoa(z.Mean)
	case z.Min == z.Max:
		return strconv.Itoa(z.Min)
	}
	return fmt.Sprintf("%d..%d", z.Min, z.Max)
}

// draw returns the next write's size.
func (z Size) draw(rng *rand.Rand) int {
	if z.Mean != 0 {
		return min(1+int(rng.ExpFloat64()*float64(z.Mean-1)), z.Max)
	}
	return z.Min + rng.IntN(z.Max-z.Min+1)
}

// stream is the sequence of sizes of one direction of one connection. Both ends draw
// the same ones, so a receiver knows where a write ends.
type stream struct {
	size Size
	rng  *rand.Rand
}

// The streams of a connection.
const (
	towardsServer = 0
	towardsClient = 1
)

func (s *Scenario) stream(connection, direction int) *stream {
	return &stream{s.Size, rand.New(rand.NewPCG(s.Seed, uint64(connection)<<1|uint64(direction)))}
}

func (st *stream) next() int { return st.size.draw(st.rng) }

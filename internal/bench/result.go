package bench

import (
	"cmp"
	"slices"
	"time"
)

// Result is all measurements of a run.
type Result struct {
	Machine Machine `json:"machine"`
	Cells   []Cell  `json:"cells"`
	// Absent says, for each figure that this machine cannot measure, why.
	Absent map[string]string `json:"absent,omitempty"`
}

// Cell is one measurement: a number of streams of Size bytes in one way.
type Cell struct {
	Way     string `json:"way"`
	Size    int64  `json:"size"`
	Version string `json:"version,omitempty"`
	Cipher  string `json:"cipher,omitempty"`
	Streams int    `json:"streams"`
	Bytes   int64  `json:"bytes"` // less than Streams*Size if the time was up
	Skipped string `json:"skipped,omitempty"`
	// Spread is the range of the repetitions' time for a MiB, the greatest less the least,
	// relative to the median, which is the result.
	Spread float64 `json:"spread"`
	Usage
}

// Usage is what both ends and the kernel below them used. A nil count is absent.
type Usage struct {
	Wall            time.Duration `json:"wall_ns"`
	User            time.Duration `json:"user_ns"`   // getrusage(2)
	System          time.Duration `json:"system_ns"` // getrusage(2)
	ContextSwitches uint64        `json:"context_switches"`
	Syscalls        *uint64       `json:"syscalls"`
	Instructions    *uint64       `json:"instructions"`
}

const mib = 1 << 20

// PerMiB returns v for each MiB sent.
func (c *Cell) PerMiB(v float64) float64 { return v * mib / float64(c.Bytes) }

// Throughput returns MiB of plaintext a second.
func (c *Cell) Throughput() float64 { return float64(c.Bytes) / mib / c.Wall.Seconds() }

// CPU returns milliseconds of processor time for each MiB.
func (c *Cell) CPU() float64 { return c.PerMiB(float64(c.User+c.System) / 1e6) }

// WallPerMiB returns milliseconds for each MiB.
func (c *Cell) WallPerMiB() float64 { return c.PerMiB(float64(c.Wall) / 1e6) }

// median is the result with the median time for a MiB.
func median(cells []Cell) Cell {
	slices.SortFunc(cells, func(a, b Cell) int { return cmp.Compare(a.WallPerMiB(), b.WallPerMiB()) })
	mid := cells[len(cells)/2]
	mid.Spread = (cells[len(cells)-1].WallPerMiB() - cells[0].WallPerMiB()) / mid.WallPerMiB()
	return mid
}

// With returns r and the results of another program on the same machine, in the order of
// sizes.
func (r Result) With(other Result) Result {
	r.Machine = cmp.Or(r.Machine, other.Machine)
	if r.Absent == nil {
		r.Absent = other.Absent
	}
	r.Cells = slices.Concat(r.Cells, other.Cells)
	slices.SortStableFunc(r.Cells, func(a, b Cell) int { return cmp.Compare(a.Size, b.Size) })
	return r
}

// cell returns one measurement, or nil.
func (r *Result) cell(way string, size int64) *Cell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Way == way && c.Size == size && c.Skipped == "" {
			return c
		}
	}
	return nil
}

// sizes and ways return the measured ones, in the order of their first result.
func (r *Result) sizes() []int64 { return distinct(r.Cells, func(c Cell) int64 { return c.Size }) }
func (r *Result) ways() []string { return distinct(r.Cells, func(c Cell) string { return c.Way }) }

func distinct[T comparable](cells []Cell, of func(Cell) T) (all []T) {
	seen := map[T]bool{}
	for _, c := range cells {
		if v := of(c); !seen[v] {
			seen[v] = true
			all = append(all, v)
		}
	}
	return all
}

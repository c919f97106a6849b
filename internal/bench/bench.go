// Package bench compares sealing in the kernel with the alternatives: the same streams
// with user-space TLS, with kernel TLS, with AF_KTLS and without TLS, and as datagrams,
// as ktlstop bench prints them.
package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Config says what to measure.
type Config struct {
	Sizes []int64  // bytes of one stream
	Ways  []string // names of Ways
	// MaxBytes and MaxTime limit each measurement. At least one stream is sent, or as
	// much of it as MaxTime allows.
	MaxBytes int64
	MaxTime  time.Duration
	Version  uint16 // tls.VersionTLS12 or tls.VersionTLS13
	// Repeat is how often each measurement is made; the result is the median.
	Repeat int
	// Perf counts system calls and instructions, if the machine can.
	Perf bool
	// Progress, if not nil, is called before each measurement.
	Progress func(way string, size int64)
}

// Defaults are the defaults of ktlstop bench.
var (
	DefaultSizes = []int64{1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20, 1 << 30}
	DefaultTime  = 2 * time.Second
)

// Check says what is wrong with c.
func (c *Config) Check() error {
	for _, name := range c.Ways {
		if !slices.Contains(WayNames(), name) {
			return fmt.Errorf("way %q: the ways are streams, datagrams, %s", name, strings.Join(WayNames(), ", "))
		}
	}
	switch {
	case len(c.Sizes) == 0 || len(c.Ways) == 0:
		return fmt.Errorf("nothing to measure: no size or no way")
	case slices.Min(c.Sizes) < 1 || slices.Max(c.Sizes) > 1<<40:
		return fmt.Errorf("a size is outside 1 to %d", int64(1)<<40)
	case c.Repeat < 1:
		return fmt.Errorf("%d times: measure at least once", c.Repeat)
	case c.MaxBytes < 1 || c.MaxTime <= 0:
		return fmt.Errorf("no bytes or no time to measure with")
	}
	return nil
}

// Run measures each way with each size, one after the other. If the machine lacks a
// way, the result has the reason, and there is no error.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	file, err := newFile()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m := newMeter(c.Perf)
	defer m.close()
	r := &Result{Machine: thisMachine(), Absent: m.absent}
	for _, size := range c.Sizes {
		for _, name := range c.Ways {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if c.Progress != nil {
				c.Progress(name, size)
			}
			cell, err := c.repeat(ctx, name, size, file, m)
			if err != nil {
				return nil, fmt.Errorf("%s, %d bytes: %w", name, size, err)
			}
			r.Cells = append(r.Cells, cell)
		}
	}
	return r, nil
}

// fileSize is the size of the file that streams are read from, again and again.
const fileSize = 4 << 20

// newFile makes that file, without a name and in the page cache.
func newFile() (*os.File, error) {
	f, err := os.CreateTemp("", "ktlstop-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a file to send: %w", err)
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = f.Write(make([]byte, fileSize))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("fill the file to send: %w", err)
	}
	return f, nil
}

// repeat repeats a measurement, each time over a new connection.
func (c *Config) repeat(ctx context.Context, name string, size int64, file *os.File, m *meter) (Cell, error) {
	var cells []Cell
	for range c.Repeat {
		cell, err := c.measure(ctx, name, size, file, m)
		if err != nil || cell.Skipped != "" {
			return cell, err
		}
		cells = append(cells, cell)
	}
	return median(cells), nil
}

// measure opens a connection and sends streams over it: first one that is not counted,
// then as many as the limits allow.
func (c *Config) measure(ctx context.Context, name string, size int64, file *os.File, m *meter) (Cell, error) {
	cell := Cell{Way: name, Size: size}
	conn, err := wayNamed(name).open(ctx, c.Version)
	if reason, ok := skipped(err); ok {
		cell.Skipped = reason
		return cell, nil
	}
	if err != nil {
		return cell, err
	}
	defer conn.close()
	cell.Version, cell.Cipher = conn.version, conn.cipher
	t, err := newTransfer(conn, file)
	if err != nil {
		return cell, err
	}
	defer t.end()
	if _, err := t.stream(ctx, min(size, 1<<20), time.Now().Add(c.MaxTime)); err != nil {
		return cell, err
	}
	before, err := m.read()
	if err != nil {
		return cell, err
	}
	if err := t.streams(ctx, c, &cell); err != nil {
		return cell, err
	}
	after, err := m.read()
	cell.Usage = m.between(before, after)
	return cell, err
}

func (t *transfer) streams(ctx context.Context, c *Config, cell *Cell) error {
	deadline := time.Now().Add(c.MaxTime)
	for {
		n, err := t.stream(ctx, cell.Size, deadline)
		if err != nil {
			return err
		}
		cell.Bytes += n
		cell.Streams++
		if cell.Bytes+cell.Size > max(c.MaxBytes, cell.Size) || time.Now().After(deadline) {
			return nil
		}
	}
}

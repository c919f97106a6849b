package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ktlstop/ktlstop/internal/bench"
	"github.com/ktlstop/ktlstop/internal/gen"
)

// benchFlags are the measurements in the user's words.
type benchFlags struct {
	sizes, ways                []string
	maxBytes, tls, output, svg string
	maxTime                    time.Duration
	repeat                     int
	perf                       bool
}

func newBench() *cobra.Command {
	var g benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure kernel TLS against user-space TLS and TCP",
		Long: `bench sends a file over loopback as streams of several sizes: by crypto/tls, by
kernel TLS and by AF_KTLS with write(2), sendfile(2) and splice(2), and without
TLS; and as datagrams: by DTLS in user space, by DTLS of AF_KTLS, and by UDP.
AF_KTLS needs the module af_ktls.

It reports throughput and, for each MiB, processor time (getrusage), system calls
and instructions (perf events, if the machine has them) and context switches, of
both ends together.`,
		Example: `  ktlstop bench
  ktlstop bench --sizes 1KiB,1MiB --ways "ktls write,ktls sendfile"
  ktlstop bench --ways datagrams --sizes 1MiB
  ktlstop bench -o json --svg bench.svg`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBench(cmd, &g) },
	}
	var sizes []string
	for _, n := range bench.DefaultSizes {
		sizes = append(sizes, bench.Bytes(n))
	}
	f := cmd.Flags()
	f.StringSliceVar(&g.sizes, "sizes", sizes, "sizes of the streams")
	f.StringSliceVar(&g.ways, "ways", bench.WayNames(), "ways to send them; streams and datagrams stand for all of their kind")
	f.StringVar(&g.maxBytes, "max-bytes", "1GiB", "end a measurement after about this many bytes")
	f.DurationVar(&g.maxTime, "duration", bench.DefaultTime, "end a measurement after this time, also within a stream")
	f.IntVar(&g.repeat, "repeat", 1, "make each measurement N times and report the median")
	f.BoolVar(&g.perf, "perf", true, "count system calls and instructions by perf events, if the machine has them; --perf=false does not")
	f.StringVar(&g.tls, "tls", "1.3", "version of TLS: 1.2 or 1.3")
	f.StringVarP(&g.output, "output", "o", "text", "text or json")
	f.StringVar(&g.svg, "svg", "", "write a plot to this file")
	return cmd
}

func (g *benchFlags) config() (c bench.Config, err error) {
	if g.output != "text" && g.output != "json" {
		return c, usagef("-o %s: the outputs are text and json", g.output)
	}
	c = bench.Config{Ways: expandWays(g.ways), MaxTime: g.maxTime, Repeat: g.repeat, Perf: g.perf}
	for _, s := range g.sizes {
		n, err := bench.ParseBytes(s)
		if err != nil {
			return c, &usageError{err}
		}
		c.Sizes = append(c.Sizes, n)
	}
	if c.MaxBytes, err = bench.ParseBytes(g.maxBytes); err != nil {
		return c, &usageError{err}
	}
	if c.Version, err = gen.ParseVersion(g.tls); err != nil {
		return c, &usageError{err}
	}
	if err := c.Check(); err != nil {
		return c, &usageError{err}
	}
	return c, nil
}

// expandWays puts the ways of a group in its place.
func expandWays(names []string) (ways []string) {
	groups := map[string][]string{"streams": bench.StreamWays(), "datagrams": bench.DatagramWays()}
	for _, name := range names {
		if group, ok := groups[name]; ok {
			ways = append(ways, group...)
			continue
		}
		ways = append(ways, name)
	}
	return ways
}

func runBench(cmd *cobra.Command, g *benchFlags) error {
	c, err := g.config()
	if err != nil {
		return err
	}
	done := showProgress(&c)
	var r *bench.Result
	err = endings.Busy(func() (err error) {
		r, err = bench.Run(cmd.Context(), c)
		return err
	})
	done()
	if err != nil {
		return err
	}
	if err := printReport(cmd.OutOrStdout(), r, g.output); err != nil || g.svg == "" {
		return err
	}
	return os.WriteFile(g.svg, r.SVG(), 0o644)
}

// showProgress tells a person at a terminal what is being measured.
func showProgress(c *bench.Config) (done func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}
	}
	c.Progress = func(way string, size int64) {
		console.put(fmt.Sprintf("\r%-40s", bench.Bytes(size)+" by "+way))
	}
	return func() { console.put(fmt.Sprintf("\r%40s\r", "")) }
}

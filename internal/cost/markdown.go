package cost

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/internal/bench"
)

// The sections of docs/bench.md that this package generates.
var (
	// Yardstick has a Report for each kernel, by its series.
	Yardstick = bench.Section{Name: "modes", Render: func(data json.RawMessage) (string, map[string][]byte, error) {
		var kernels map[string]Report
		err := json.Unmarshal(data, &kernels)
		return yardstick(kernels), nil, err
	}}
	// Tracer is a Report of one kernel with all loads.
	Tracer = bench.Section{Name: "tracer", Render: func(data json.RawMessage) (string, map[string][]byte, error) {
		var r Report
		err := json.Unmarshal(data, &r)
		return r.markdown(), nil, err
	}}
	Users = bench.Section{Name: "user", Render: func(data json.RawMessage) (string, map[string][]byte, error) {
		var u User
		err := json.Unmarshal(data, &u)
		return u.markdown(), nil, err
	}}
)

func yardstick(kernels map[string]Report) string {
	var b strings.Builder
	reports := make([]*Report, 0, len(kernels))
	for _, r := range kernels {
		reports = append(reports, &r)
	}
	slices.SortFunc(reports, func(a, b *Report) int { return strings.Compare(a.Series(), b.Series()) })
	fmt.Fprintf(&b, `## What tracing adds to a record

How many instructions does tracing add to a record? One thread sends a record over loopback, reads it back, and repeats this. The
records have %[2]d bytes unless a row says otherwise.

A figure is a difference of two minima. The first is the cheapest of all blocks of %[1]d records with tracing, over several
connections and several starts of the traced program. The second is the cheapest block of the same work without tracing. The
minimum is the right figure because the kernel has several paths through the same work, some 300 instructions apart, and only
the cheapest path occurs in every run.

The tool's own process is stopped during the measurement. So the figures contain only what the traced program pays in its own
system calls. The records that ktlstop reports at the end are checked against those that were sent. `+"`make bench-count`"+` fails
when a figure exceeds this table by more than 2 %%.

`, block, Small.Size)
	b.WriteString(Table(reports))
	for _, r := range reports {
		for _, tool := range slices.Sorted(maps.Keys(r.Absent)) {
			fmt.Fprintf(&b, "\n%s did not run on %s: %s\n", tool, r.Series(), r.Absent[tool])
		}
	}
	return b.String()
}

// Table shows the modes and the other tools side by side on all kernels.
func Table(reports []*Report) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, r := range reports {
		fmt.Fprintf(&b, " %s |", strings.TrimPrefix(r.Kernel, "Linux "))
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(reports)) + "\n")
	line := func(title string, figure func(*Report) (float64, bool)) {
		fmt.Fprintf(&b, "| %s |", title)
		for _, r := range reports {
			if n, ok := figure(r); ok {
				fmt.Fprintf(&b, " %.0f |", n)
			} else {
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	for _, m := range append(Modes(""), Others("")...) {
		line(m.Title, func(r *Report) (float64, bool) { return r.Figure(&m) })
	}
	for _, load := range []Load{Small, Whole} {
		line(fmt.Sprintf("*the record itself, %d bytes, untraced*", load.Size), func(r *Report) (float64, bool) {
			res := r.find(Untraced, load)
			if res == nil {
				return 0, false
			}
			return res.Cost.Total(), true
		})
	}
	line("*one `bpf_probe_read_kernel` of 16 KiB*", func(r *Report) (float64, bool) { return r.Read, true })
	return b.String()
}

func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, `## The tracer: by size and by connections

Counted on %s under %s, as in the table above: each figure is the cheapest block of %d records, and "+" is what the tool adds
to the cheapest block without tracing.

- "dashboard" is `+"`ktlstop -o json`"+`, which adds records up in the kernel as the dashboard does. After the first 64 records of a
  connection it measures the stages of one record in eight. With 100 and 10,000 connections, no connection sends that many.
- "trace" is event mode with JSON output.
- "--port 1" refuses the connection, so the programs return at once. This row is the cost of calling them.

Compare the sum of send and receive. Loopback does a part of the receiver's work within the send call, or later, when
acknowledgements arrive; a tracer that is slow in one half moves this work to the other. Each tool was started once for all
sizes, and once for each number of connections. Its figures may therefore belong to a longer path through the kernel: some 280
instructions above the first table, and more with 16 KiB.

The tables lack bcc's sslsniff for two reasons. It compiles itself against the headers of the running kernel, which Debian ships
in a package that the guest does not have ("Unable to find kernel headers"). And it traces SSL_read and SSL_write, which this
work does not call.

`, r.Kernel, r.Emulator, block)
	r.table(&b, "Instructions per record, by size", Sizes)
	r.table(&b, "Instructions per record of 100 bytes, by connections", append([]Load{Small}, Crowds...))
	r.readers(&b)
	r.lives(&b)
	return b.String()
}

func (r *Report) table(b *strings.Builder, title string, loads []Load) {
	fmt.Fprintf(b, "### %s\n\n|", title)
	for _, l := range loads {
		fmt.Fprintf(b, " | %v: send | receive | + ", l)
	}
	b.WriteString("|\n|---" + strings.Repeat("|---:|---:|---:", len(loads)) + "|\n")
	for _, tool := range r.tools() {
		if r.find(tool, loads[len(loads)-1]) != nil {
			r.row(b, tool, loads)
		}
	}
	b.WriteString("\n")
}

func (r *Report) row(b *strings.Builder, tool string, loads []Load) {
	fmt.Fprintf(b, "| %s ", tool)
	for _, l := range loads {
		res := r.find(tool, l)
		over, err := r.Overhead(res)
		if err != nil {
			fmt.Fprintf(b, "| | | ")
			continue
		}
		fmt.Fprintf(b, "| %.0f | %.0f | %+.0f ", res.Cost.Send, res.Cost.Recv, over.Total())
	}
	b.WriteString("|\n")
}

// readers is a table of the tools' own processes, where these were measured.
func (r *Report) readers(b *strings.Builder) {
	if !slices.ContainsFunc(r.Counted, func(res Result) bool { return res.Reader != nil }) {
		return
	}
	b.WriteString("### Instructions of the tool's own process\n\n" +
		"Instructions for each record that is sent and received. The tool's process runs beside the traced program, on another\n" +
		"processor if there is one. The dashboard reads its sums once a second, regardless of the number of records. In this\n" +
		"measurement some hundred records share one reading, or no reading took place.\n\n|")
	for _, l := range Sizes {
		fmt.Fprintf(b, " | %v", l)
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---:", len(Sizes)) + "|\n")
	for _, tool := range r.tools() {
		var cells strings.Builder
		for _, l := range Sizes {
			if res := r.find(tool, l); res != nil && res.Reader != nil {
				fmt.Fprintf(&cells, "| %.0f ", *res.Reader)
			}
		}
		if cells.Len() > 0 {
			fmt.Fprintf(b, "| %s %s|\n", tool, &cells)
		}
	}
	b.WriteString("\n")
}

// lives shows the tools' processes with all numbers of connections.
func (r *Report) lives(b *strings.Builder) {
	b.WriteString("### Start, end and memory of the tool's process\n\n" +
		"*Start* ends when the tool watches; on a terminal, when the first picture is drawn. *End* is the time from Ctrl-C to the\n" +
		"exit. Both are 10⁹ instructions and include waiting: the kernel makes a process that attaches programs wait for RCU grace\n" +
		"periods. *Memory* is the peak of the resident set.\n\n" +
		"|  | connections | start | end | memory, MB |\n|---|---:|---:|---:|---:|\n")
	for _, load := range append([]Load{Small}, Crowds...) {
		for _, tool := range r.tools() {
			if res := r.find(tool, load); res != nil && res.Life != nil {
				fmt.Fprintf(b, "| %s | %d | %.2f | %.2f | %.1f |\n", tool, load.Conns, res.Life.Start, res.Life.Stop, float64(res.Life.PeakRSS)/1e6)
			}
		}
	}
	if r.Binary > 0 {
		fmt.Fprintf(b, "\nThe program's file has %.1f MB.\n", float64(r.Binary)/1e6)
	}
	b.WriteString("\n")
}

func (u *User) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## The tracer: its user side\n\nGo benchmarks on %s; each figure is the median of five. These are times of that machine, not instructions.\n\n"+
		"| benchmark | ns | per second | bytes | allocations |\n|---|---:|---:|---:|---:|\n", u.Machine)
	for _, x := range u.Benches {
		fmt.Fprintf(&b, "| %s | %.4g | %.3g | %.0f | %.0f |\n", x.Name, x.NsPerOp, 1e9/x.NsPerOp, x.BytesPerOp, x.AllocsPerOp)
	}
	if len(u.Screens) > 0 {
		b.WriteString("\nThe dashboard on a terminal of the same machine (`ktlstop --read`), with a recording in which each connection sends and\n" +
			"receives one record. *Drawn after* is the time from the start to a picture of all connections; the dashboard draws once a\n" +
			"second. *Memory* is the peak of the resident set.\n\n" +
			"| connections | drawn after, s | memory, MB |\n|---:|---:|---:|\n")
	}
	for _, s := range u.Screens {
		fmt.Fprintf(&b, "| %d | %.2f | %.1f |\n", s.Conns, s.Drawn, float64(s.PeakRSS)/1e6)
	}
	return b.String()
}

// tools lists the tools of the report in their order.
func (r *Report) tools() (names []string) {
	for _, res := range r.Counted {
		if !slices.Contains(names, res.Tool) {
			names = append(names, res.Tool)
		}
	}
	return names
}

package cost

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/internal/bench"
)

// Tracer and Users are sections of docs/bench.md.
var (
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

func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, `## The tracer: what it costs the traced program

Counted on %s under %s: one processor, and a clock on which a nanosecond is an
instruction of the guest. One thread sends a record over loopback and reads it back; the figures are means of blocks of %d
records, of which the median of %d is taken (of %d with 16 KiB), and with one connection medians of five such runs. The tool's own process is stopped meanwhile:
what is counted is what the traced program pays in its own system calls. "+" is what the tool adds to the untraced twin of the same run.
"dashboard" is ktlstop -o json, which adds records up in the kernel as the dashboard does, and behind the first 64 records of a
connection measures the stages of one in eight: with 100 and 10,000 connections none has sent so many; "trace" is event mode, JSON to /dev/null. "--port 1" refuses the
connection, and the programs return at once: it shows what it costs to call them, eight for a record.

bcc's sslsniff is not in the tables: it compiles itself against the headers of the running kernel, which Debian keeps in
a package that the guest has not got ("Unable to find kernel headers"), and it traces SSL_read and SSL_write, which this
work does not call.

Look at the sum of both halves: loopback does a part of receiving within the sending call or later, as acknowledgements
come, and a tracer that takes long in one half moves it. The same work also differs by some hundred instructions from
one start of a tool to the next, and with 16 KiB, as memory lies, by thousands: there the table of what the programs
take is the better one.

`, r.Kernel, r.Emulator, block, Sizes[0].blocks(), Sizes[2].blocks())
	r.table(&b, "Instructions a record, by size", Sizes)
	r.table(&b, "Instructions a record of 100 bytes, by connections", append([]Load{Sizes[0]}, Crowds...))
	r.bySize(&b, "What of it the BPF programs take",
		"Instructions for each record sent and received, by the kernel's own measuring (kernel.bpf_stats_enabled), some 35 for\n"+
			"each run included; the least of nine runs, because an interrupt within a program counts as its own. With 100 and\n"+
			"1400 bytes the rest of \"+\" is what calling the programs costs. make bench-count compares these.",
		func(res *Result) *float64 { return res.Programs })
	r.bySize(&b, "What the tool's own process takes",
		"Instructions for each record sent and received, while it writes to /dev/null. It runs beside the traced\n"+
			"program, on another processor where there is one.",
		func(res *Result) *float64 { return res.Reader })
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

// bySize is a table of one figure for each tool that has it.
func (r *Report) bySize(b *strings.Builder, title, text string, figure func(*Result) *float64) {
	fmt.Fprintf(b, "### %s\n\n%s\n\n|", title, text)
	for _, l := range Sizes {
		fmt.Fprintf(b, " | %v", l)
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---:", len(Sizes)) + "|\n")
	for _, tool := range r.tools() {
		var cells strings.Builder
		for _, l := range Sizes {
			if res := r.find(tool, l); res != nil && figure(res) != nil {
				fmt.Fprintf(&cells, "| %.0f ", *figure(res))
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
		"Start: until it watches; on a terminal until the first picture is drawn. End: from Ctrl-C to its exit. Both are 10⁹\n" +
		"instructions, waiting included: the kernel lets who attaches wait for grace periods. Memory is the peak of what was resident.\n\n" +
		"|  | connections | start | end | memory, MB |\n|---|---:|---:|---:|---:|\n")
	for _, load := range append([]Load{Sizes[0]}, Crowds...) {
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
	fmt.Fprintf(&b, "## The tracer: its user side\n\nGo's benchmarks on %s, medians of five. This is time of that machine, not instructions.\n\n"+
		"| benchmark | ns | per second | bytes | allocations |\n|---|---:|---:|---:|---:|\n", u.Machine)
	for _, x := range u.Benches {
		fmt.Fprintf(&b, "| %s | %.4g | %.3g | %.0f | %.0f |\n", x.Name, x.NsPerOp, 1e9/x.NsPerOp, x.BytesPerOp, x.AllocsPerOp)
	}
	if len(u.Screens) > 0 {
		b.WriteString("\nThe dashboard on a terminal of the same machine, with a recording in which each connection sends and receives a record\n" +
			"(ktlstop --read): the time from its start to a picture of all connections, of which there is one each\n" +
			"second, and the peak of what was resident.\n\n" +
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

package cost

import (
	_ "embed"
	"os"
	"path/filepath"
)

//go:embed ktls.bt
var script []byte

// Untraced is the work alone, with which everything is compared.
const Untraced = "untraced"

// Small and Whole are the loads of the modes: a message of a few words, and the longest
// record.
var (
	Small = Load{Size: 100, Conns: 1}
	Whole = Load{Size: 16384, Conns: 1}
)

// Mode is a mode of tracing with the load that shows its cost: a line of the first
// table of docs/bench.md.
type Mode struct {
	Tool
	Load Load
	// Title is its text in the table.
	Title string
	// Reads is the number of bpf_probe_read_kernel calls over the whole record whose
	// cost is subtracted: there is no cheaper way to read the bytes, and this cost
	// differs between kernels by more than everything else.
	Reads int
}

// Modes are ktlstop's own modes, whose costs make bench-count compares.
func Modes(program string) []Mode {
	return []Mode{
		{Tool: dashboard(program, "dashboard"), Load: Small, Title: "dashboard, full split"},
		{Tool: dashboard(program, "dashboard --stages off", "--stages", "off"), Load: Small, Title: "dashboard, `--stages off`"},
		{Tool: trace(program, "trace"), Load: Small, Title: "events, all stages"},
		{Tool: trace(program, "trace -s 256", "-s", "256"), Load: Small, Title: "events, `-s 256`"},
		{Tool: trace(program, "trace -s 16384", "-s", "16384"), Load: Whole, Reads: 2,
			Title: "events, `-s 16384`, records of 16 KiB, beyond two `bpf_probe_read_kernel` of that length"},
		{Tool: refusing(trace(program, "trace --port 1", "--port", "1")), Load: Small, Title: "connection refused by `--port`"},
	}
}

// dashboard is the dashboard's sums without its picture, with further flags.
func dashboard(program, name string, args ...string) Tool {
	return Tool{Name: name, Args: append([]string{program, "-o", "json", "--ready-file", "READY"}, args...), Counts: true}
}

// trace is event mode with further flags.
func trace(program, name string, args ...string) Tool {
	return Tool{Name: name, Args: append([]string{program, "trace", "-o", "json", "--ready-file", "READY"}, args...), Counts: true}
}

func refusing(t Tool) Tool {
	t.Refuses = true
	return t
}

// MoreTools are the modes of ktlstop that only the tables of one kernel have.
func MoreTools(program string) []Tool {
	return []Tool{
		// The dashboard's picture, and not only its sums.
		{Name: "dashboard on a terminal", Args: []string{program}, Screen: true, ReadyText: "view"},
		refusing(trace(program, "trace --match 'port == 1'", "--match", "port == 1")),
	}
}

// Others are tools that one could use instead; script is where WriteScript has put
// bpftrace's.
func Others(script string) []Mode {
	return []Mode{
		{Tool: Tool{Name: "bpftrace, the same hooks", Args: []string{"bpftrace", script}, ReadyText: "watching"},
			Load: Small, Title: "bpftrace, the same hooks"},
		// With room for the events of the time while it is stopped: dropping them would
		// be cheap.
		{Tool: Tool{Name: "tcpdump -w", Args: []string{"tcpdump", "-B", "65536", "-i", "lo", "-w", "/dev/null"}, ReadyText: "listening on"},
			Load: Small, Title: "`tcpdump -w`"},
	}
}

// WriteScript writes bpftrace's script into dir.
func WriteScript(dir string) (string, error) {
	file := filepath.Join(dir, "ktls.bt")
	return file, os.WriteFile(file, script, 0o644)
}

// Strace is among the others only where the tables are for one kernel.
var Strace = Tool{Name: "strace -c", Args: []string{"strace", "-c", "-f", "-o", "/dev/null"}, Wraps: true}

// Sizes are the loads on one connection.
var Sizes = []Load{Small, {Size: 1400, Conns: 1}, Whole, {Size: 16384, Sendfile: true, Conns: 1}}

// Crowds are the loads that show what the number of connections costs.
var Crowds = []Load{{Size: 100, Conns: 100}, {Size: 100, Conns: 10_000}}

package cost

import (
	_ "embed"
	"os"
	"path/filepath"
)

//go:embed ktls.bt
var script []byte

// Untraced is the work by itself, with which everything is compared.
const Untraced = "untraced"

// Small and Whole are the loads of the modes: a message of some words, and the
// longest record there is.
var (
	Small = Load{Size: 100, Conns: 1}
	Whole = Load{Size: 16384, Conns: 1}
)

// Mode is a way of tracing with the load that shows its price: a line of the table
// that docs/bench.md begins with.
type Mode struct {
	Tool
	Load Load
	// Title is what the table says.
	Title string
	// Reads is how many reads of the whole record by bpf_probe_read_kernel are
	// taken off: there is no cheaper way to the bytes, and what they take differs
	// between kernels by more than all the rest.
	Reads int
}

// Modes are the program's own, whose costs make bench-count holds.
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

// dashboard is its sums without its picture, with so many flags more.
func dashboard(program, name string, args ...string) Tool {
	return Tool{Name: name, Args: append([]string{program, "-o", "json", "--ready-file", "READY"}, args...), Counts: true}
}

// trace is event mode with so many flags more.
func trace(program, name string, args ...string) Tool {
	return Tool{Name: name, Args: append([]string{program, "trace", "-o", "json", "--ready-file", "READY"}, args...), Counts: true}
}

func refusing(t Tool) Tool {
	t.Refuses = true
	return t
}

// MoreTools are those of the program that only the tables of one kernel have.
func MoreTools(program string) []Tool {
	return []Tool{
		// The dashboard's picture, and not only its sums.
		{Name: "dashboard on a terminal", Args: []string{program}, Screen: true, ReadyText: "view"},
		refusing(trace(program, "trace --match 'port == 1'", "--match", "port == 1")),
	}
}

// Others are what one would use instead; script is where WriteScript has put it.
func Others(script string) []Mode {
	return []Mode{
		{Tool: Tool{Name: "bpftrace, the same hooks", Args: []string{"bpftrace", script}, ReadyText: "watching"},
			Load: Small, Title: "bpftrace, the same hooks"},
		// With room for what comes while it is stopped: what it drops is cheap.
		{Tool: Tool{Name: "tcpdump -w", Args: []string{"tcpdump", "-B", "65536", "-i", "lo", "-w", "/dev/null"}, ReadyText: "listening on"},
			Load: Small, Title: "`tcpdump -w`"},
	}
}

// WriteScript writes bpftrace's into dir.
func WriteScript(dir string) (string, error) {
	file := filepath.Join(dir, "ktls.bt")
	return file, os.WriteFile(file, script, 0o644)
}

// Strace is beside the others only where the tables are of one kernel.
var Strace = Tool{Name: "strace -c", Args: []string{"strace", "-c", "-f", "-o", "/dev/null"}, Wraps: true}

// Sizes are the loads on one connection.
var Sizes = []Load{Small, {Size: 1400, Conns: 1}, Whole, {Size: 16384, Sendfile: true, Conns: 1}}

// Crowds are the loads that show what the number of connections costs.
var Crowds = []Load{{Size: 100, Conns: 100}, {Size: 100, Conns: 10_000}}

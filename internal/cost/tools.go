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

// Modes are the program's own ways of tracing.
func Modes(program string) []Tool {
	trace := func(name string, args ...string) Tool {
		return Tool{Name: name, Args: append([]string{program, "trace", "-o", "json", "-w", "/dev/null", "--ready-file", "READY"}, args...)}
	}
	return []Tool{
		{Name: Untraced},
		// The dashboard's sums, without its picture.
		{Name: "dashboard", Args: []string{program, "-o", "json", "--ready-file", "READY"}},
		{Name: "dashboard on a terminal", Args: []string{program}, Screen: true, Says: "view"},
		trace("trace"),
		trace("trace -s 256", "-s", "256"),
		trace("trace -s 16384", "-s", "16384"),
		trace("trace --port 1", "--port", "1"),
		trace("trace --match 'port == 1'", "--match", "port == 1"),
	}
}

// Others are what one would use instead. The script is written into dir.
func Others(dir string) ([]Tool, error) {
	file := filepath.Join(dir, "ktls.bt")
	if err := os.WriteFile(file, script, 0o644); err != nil {
		return nil, err
	}
	return []Tool{
		{Name: "bpftrace, the same hooks", Args: []string{"bpftrace", file}, Says: "watching"},
		{Name: "tcpdump -w", Args: []string{"tcpdump", "-i", "lo", "-w", "/dev/null"}, Says: "listening on"},
		{Name: "strace -c", Args: []string{"strace", "-c", "-f", "-o", "/dev/null"}, Wraps: true},
	}, nil
}

// Sizes are the loads on one connection.
var Sizes = []Load{
	{Size: 100, Conns: 1}, {Size: 1400, Conns: 1}, {Size: 16384, Conns: 1}, {Size: 16384, Sendfile: true, Conns: 1},
}

// Crowds are the loads that show what the number of connections costs.
var Crowds = []Load{{Size: 100, Conns: 100}, {Size: 100, Conns: 10_000}}

package programs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A trial is a program with kernel TLS, what is done with it while ktlstop traces, and
// what its trace has to be.
type trial interface {
	// begin starts what serves.
	begin(t *testing.T)
	// talk makes all traffic, and returns when the last connection is closed.
	talk(t *testing.T)
	// check compares the trace with what the others say of that traffic.
	check(t *testing.T, got *trace)
	// sides are the rows of docs/programs.md that this shows.
	sides() []side
}

// A side is one end of connections: a program as it accepts or as it makes them.
type side struct {
	// program and as are the first columns of docs/programs.md.
	program, as string
	// pkg is the package that the program is of.
	pkg string
	// port is where the server of these connections listens.
	port int
}

// serves says which end of a connection it is.
func (s *side) serves() bool { return s.as == "server" }

// try runs trials side by side under one tracer: a tracer takes longer to start than
// most programs to do their work.
func try(t *testing.T, r *root, trials ...trial) {
	t.Helper()
	for _, tl := range trials {
		tl.begin(t)
	}
	tr := startTracer(t, "inspect", "-o", "json", "--no-redact", "-s", "16384")
	t.Run("traffic", func(t *testing.T) {
		for _, tl := range trials {
			t.Run(tl.sides()[0].program, func(t *testing.T) {
				t.Parallel()
				tl.talk(t)
			})
		}
	})
	got := tr.stop(t)
	if t.Failed() {
		return
	}
	got.nothingLost(t)
	table := readTable(t)
	for _, tl := range trials {
		t.Run(tl.sides()[0].program, func(t *testing.T) {
			tl.check(t, got)
			for _, s := range tl.sides() {
				got.checkSide(t, table, r, s)
			}
		})
	}
}

// version is that of a package of the tree.
func (r *root) version(t *testing.T, pkg string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "packages"))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if name, version, _ := strings.Cut(strings.TrimSpace(line), " "); name == pkg {
			return version
		}
	}
	t.Fatalf("%s has no package %s", r.dir, pkg)
	return ""
}

package programs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A trial is a program with kernel TLS, its traffic while ktlstop traces, and the
// expected trace.
type trial interface {
	// begin starts the servers.
	begin(t *testing.T)
	// talk makes all traffic, and returns when the last connection is closed.
	talk(t *testing.T)
	// check compares the trace with other records of that traffic, and says with which.
	check(t *testing.T, got *trace) (compared string)
	// sides are the rows of docs/programs.md that this tests.
	sides() []side
}

// A side is one end of connections: a program that accepts or makes them.
type side struct {
	// program and as are the first columns of docs/programs.md.
	program, as string
	// pkg is the program's package.
	pkg string
	// port is the server's port of these connections.
	port int
}

func (s *side) row() row { return row{s.program, s.as} }

// serves says which end of a connection it is.
func (s *side) serves() bool { return s.as == "server" }

// try runs trials concurrently under one tracer: starting a tracer takes longer than the
// work of most programs.
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
			compared := tl.check(t, got)
			for _, same := range rows(tl.sides()) {
				r.checkVersion(t, same[0])
				got.checkRow(t, table, r, same, compared)
			}
		})
	}
}

// rows groups the sides that belong to one row of docs/programs.md.
func rows(sides []side) (rows [][]side) {
	for _, s := range sides {
		i := slices.IndexFunc(rows, func(r []side) bool { return r[0].row() == s.row() })
		if i < 0 {
			rows = append(rows, []side{s})
			continue
		}
		rows[i] = append(rows[i], s)
	}
	return rows
}

// version is the version of a package of the tree.
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

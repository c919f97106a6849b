package programs

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// modes are who seals and who opens: "sw" for the kernel, "none" for the program itself.
type modes struct{ tx, rx string }

// row names a row of docs/programs.md.
type row struct{ program, as string }

// readTable reads the programs with kernel TLS of docs/programs.md.
func readTable(t *testing.T) map[row]modes {
	t.Helper()
	table := map[row]modes{}
	for _, cells := range tableRows(t) {
		table[row{cells[1], cells[3]}] = modes{cells[4], cells[5]}
	}
	return table
}

// tableRows are the cells of each row, including those before the first bar and after the last.
func tableRows(t *testing.T) (rows [][]string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/programs.md")
	must(t, err)
	_, text, _ := strings.Cut(string(b), "\n## With kernel TLS\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) != 8 || strings.HasPrefix(cells[1], "--") || strings.TrimSpace(cells[1]) == "program" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		t.Fatal("docs/programs.md has no table")
	}
	return rows
}

// checkVersion compares the table's version of a program with that of the package that was run.
func (r *root) checkVersion(t *testing.T, s side) {
	t.Helper()
	for _, cells := range tableRows(t) {
		if (row{cells[1], cells[3]}) != s.row() {
			continue
		}
		if series, ok := strings.CutPrefix(cells[2], "Linux "); ok { // the kernel itself, which the table names by its own Debian package
			if series != stable {
				t.Errorf("docs/programs.md says Linux %s of %s, and Debian's is %s", series, s.program, stable)
			}
			continue
		}
		if have := r.version(t, s.pkg); !isVersion(cells[2], have) {
			t.Errorf("docs/programs.md says %s of %s, and tried was %s", cells[2], s.program, have)
		}
	}
}

// isVersion reports whether a package's version begins with a version: 1.2 matches 5:1.2.3-4, but
// not 1.20.
func isVersion(short, full string) bool {
	if _, rest, ok := strings.Cut(full, ":"); ok {
		full = rest
	}
	rest, ok := strings.CutPrefix(full, short)
	return ok && short != "" && (rest == "" || !unicode.IsDigit(rune(rest[0])))
}

func TestIsVersion(t *testing.T) {
	for _, c := range []struct {
		short, full string
		want        bool
	}{
		{"1.26", "1.26.3-3+deb13u11", true},
		{"8.0", "5:8.0.2-3+deb13u3", true},
		{"5.74", "3:5.74-2", true},
		{"17", "17", true},
		{"1.2", "1.26.3-3", false},
		{"3.3", "3.4.7-1", false},
		{"", "3.4.7-1", false},
	} {
		if got := isVersion(c.short, c.full); got != c.want {
			t.Errorf("%s is %q: %v", c.full, c.short, got)
		}
	}
}

// checkRow compares the directions that the kernel took over with docs/programs.md, and prints a
// line of the table of results: program, kernel, directions, what was compared, the result.
func (tr *trace) checkRow(t *testing.T, table map[row]modes, r *root, same []side, compared string) {
	t.Helper()
	what := same[0].row()
	want, conns := table[what], 0
	for _, s := range same {
		found := tr.modes(s)
		if len(found) == 0 && want != (modes{"none", "none"}) {
			t.Errorf("%v: no connection with kernel TLS at port %d", what, s.port)
		}
		for id, got := range found {
			if got != want {
				t.Errorf("%v, connection %d: %+v, docs/programs.md says %+v", what, id, got, want)
			}
		}
		conns += len(found)
	}
	outcome := "equal"
	if t.Failed() {
		outcome = "different"
	}
	t.Logf("| %s %s, %s | %s | tx %s, rx %s, %d connections, TLS %s | %s | %s |", what.program, r.version(t, same[0].pkg), what.as, guesttest.Kernel(),
		want.tx, want.rx, conns, tr.versions(same), compared, outcome)
}

// versions are the TLS versions of the connections of some sides, if the kernel knew them.
func (tr *trace) versions(sides []side) string {
	var all []string
	for _, k := range tr.sockets {
		if !slices.ContainsFunc(sides, func(s side) bool { return s.has(&k.Conn) }) {
			continue
		}
		for _, of := range keys(k) {
			if v := of.Version.String(); !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	if len(all) == 0 {
		return "by itself"
	}
	slices.Sort(all)
	return strings.Join(all, " and ")
}

// modes are the directions that the kernel took over of each connection of a side.
func (tr *trace) modes(s side) map[uint64]modes {
	conns := map[uint64]modes{}
	for _, k := range tr.sockets {
		if !s.has(&k.Conn) {
			continue
		}
		for dir, of := range keys(k) {
			m, ok := conns[k.Conn.ID]
			if !ok {
				m = modes{"none", "none"}
			}
			if dir == event.TX {
				m.tx = of.Mode.String()
			} else {
				m.rx = of.Mode.String()
			}
			conns[k.Conn.ID] = m
		}
	}
	return conns
}

// keys are the directions whose first key an event reports. The event of one key is open. A kernel
// that preempts itself may skip the hook of a key: a connection that began so shows as found at its
// first record, with the keys that it has.
func keys(k *event.Socket) map[event.Dir]event.TLS {
	all := map[event.Dir]event.TLS{event.TX: k.TX, event.RX: k.RX}
	maps.DeleteFunc(all, func(dir event.Dir, of event.TLS) bool {
		return k.State != event.SocketFound && (k.State != event.SocketOpen || k.Dir != dir) ||
			k.State == event.SocketFound && of.Mode == event.ModeNone
	})
	return all
}

// checkFound checks that no more keys were reported by found connections than the kernel says that
// it skipped hooks of keys: the programs make all connections during the trace.
func (tr *trace) checkFound(t *testing.T) {
	t.Helper()
	found := uint64(0)
	for _, k := range tr.sockets {
		if k.State == event.SocketFound {
			found += uint64(len(keys(k)))
		}
	}
	if n := skips(tr.summary, "set_sw_offload"); found > n {
		t.Errorf("%d keys were not seen, and their connections found; the kernel skipped the hook of a key %d times", found, n)
	}
}

// TestTable: each row of docs/programs.md has a trial, and each trial its row.
func TestTable(t *testing.T) {
	var tried []row
	for _, s := range allSides() {
		if r := s.row(); !slices.Contains(tried, r) {
			tried = append(tried, r)
		}
	}
	table := readTable(t)
	for _, r := range tried {
		if _, ok := table[r]; !ok {
			t.Errorf("docs/programs.md has no row for %s as %s", r.program, r.as)
		}
	}
	for r := range table {
		if !slices.Contains(tried, r) {
			t.Errorf("docs/programs.md says what kernel TLS %s has as %s, and no test tries it", r.program, r.as)
		}
	}
}

package programs

import (
	"os"
	"slices"
	"strings"
	"testing"

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
	b, err := os.ReadFile("../../docs/programs.md")
	must(t, err)
	table := map[row]modes{}
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
		table[row{cells[1], cells[3]}] = modes{cells[4], cells[5]}
	}
	if len(table) == 0 {
		t.Fatal("docs/programs.md has no table")
	}
	return table
}

// checkSide compares which directions the kernel took over with what docs/programs.md
// says, and prints a line for the table of results.
func (tr *trace) checkSide(t *testing.T, table map[row]modes, r *root, s side) {
	t.Helper()
	want, ok := table[row{s.program, s.as}]
	if !ok {
		t.Fatalf("docs/programs.md does not know %s as %s", s.program, s.as)
	}
	conns := tr.modes(s)
	if len(conns) == 0 {
		t.Errorf("%s as %s: no connection with kernel TLS", s.program, s.as)
	}
	for id, got := range conns {
		if got != want {
			t.Errorf("%s as %s, connection %d: %+v, docs/programs.md says %+v", s.program, s.as, id, got, want)
		}
	}
	outcome := "equal"
	if t.Failed() {
		outcome = "DIFFERENT"
	}
	t.Logf("| %s %s, %s | %s | %s/%s, %d connections | %s |", s.program, r.version(t, s.pkg), s.as, guesttest.Kernel(), want.tx, want.rx, len(conns), outcome)
}

// modes are the directions that the kernel took over of each connection of a side.
func (tr *trace) modes(s side) map[uint64]modes {
	conns := map[uint64]modes{}
	for _, k := range tr.sockets {
		if k.State != event.SocketOpen || !s.has(&k.Conn) {
			continue
		}
		m, ok := conns[k.Conn.ID]
		if !ok {
			m = modes{"none", "none"}
		}
		if k.Dir == event.TX {
			m.tx = k.TX.Mode.String()
		} else {
			m.rx = k.RX.Mode.String()
		}
		conns[k.Conn.ID] = m
	}
	return conns
}

// TestTable: each row of docs/programs.md has a trial, and each trial its row.
func TestTable(t *testing.T) {
	var tried []row
	for _, s := range allSides() {
		if r := (row{s.program, s.as}); !slices.Contains(tried, r) {
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

package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// chosenComm is the process in the row with the cursor.
func chosenComm(t *testing.T, m Model) string {
	t.Helper()
	for l := range strings.Lines(m.View()) {
		if strings.HasPrefix(l, ">") {
			return strings.Fields(l[2:])[0] + " " + strings.Fields(l[2:])[1]
		}
	}
	t.Fatalf("no cursor in\n%s", m.View())
	return ""
}

func TestCursorFollowsItsRow(t *testing.T) {
	m := screen(Config{}, busy(12, 5), 80, 24)
	m = send(m, press("j", "j")...)
	row := chosenComm(t, m)
	for _, keys := range [][]string{{"s", "j", "enter"}, {"S"}, {"s", "k", "k", "enter"}} {
		m = send(m, press(keys...)...)
		if got := chosenComm(t, m); got != row {
			t.Fatalf("after %v the cursor is on %q, not on %q", keys, got, row)
		}
	}
	m = send(m, snapshotMsg{busy(12, 6), noChain})
	if got := chosenComm(t, m); got != row {
		t.Errorf("after a snapshot the cursor is on %q, not on %q", got, row)
	}
}

func TestCursorStaysInSight(t *testing.T) {
	m := screen(Config{}, busy(100, 2), 80, 10)
	for _, keys := range []string{"G", "k", "pgup", "g", "pgdown", "pgdown", "G"} {
		m = send(m, press(keys)...)
		chosenComm(t, m)
	}
	m = send(m, tea.WindowSizeMsg{Width: 80, Height: 6})
	chosenComm(t, m)
}

func TestSortByEveryColumn(t *testing.T) {
	m := screen(Config{}, busy(40, 3), 300, 50)
	for i := range m.conns.cols {
		if m.conns.cols[i].order == nil {
			continue
		}
		m.conns.sortBy(i)
		m.refresh()
		checkOrder(t, &m.conns, i)
		m.conns.sortBy(i)
		m.refresh()
		checkOrder(t, &m.conns, i)
	}
}

// TestSortMenuSaysWhatIsHidden: columns that do not fit are counted in the first line.
func TestSortMenuSaysWhatIsHidden(t *testing.T) {
	m := screen(Config{}, busy(3, 1), 80, 24)
	all := len(m.conns.sortable())
	for height, want := range map[int]string{
		24: "sort by", 14: fmt.Sprintf("sort by  10 of %d shown", all), 5: fmt.Sprintf("sort by  1 of %d shown", all),
	} {
		m := send(screen(Config{}, busy(3, 1), 80, height), press("s")...)
		if lines := strings.Split(m.View(), "\n"); strings.TrimSpace(lines[2]) != want {
			t.Errorf("height %d: %q, want %q", height, lines[2], want)
		}
	}
}

func checkOrder(t *testing.T, tab *table[*flow.Row], i int) {
	t.Helper()
	col := &tab.cols[i]
	for n := 1; n < len(tab.rows); n++ {
		c := col.order(tab.rows[n-1], tab.rows[n])
		if down := col.down != tab.reverse; down && c < 0 || !down && c > 0 {
			t.Errorf("%s (reverse %v): rows %d and %d are out of order", col.name, tab.reverse, n-1, n)
			return
		}
	}
}

func TestFilterWhileTyping(t *testing.T) {
	m := screen(Config{}, busy(12, 3), 80, 24)
	m = send(m, press("/", "pid==4001")...)
	if len(m.conns.rows) != 1 || m.mode != filtering {
		t.Fatalf("%d rows while typing", len(m.conns.rows))
	}
	m = send(m, press("esc")...)
	if len(m.conns.rows) != 12 || m.mode != browsing || m.input != "" {
		t.Errorf("%d rows after esc", len(m.conns.rows))
	}
	m = send(m, press("/", "pid==4001x", "backspace", "enter")...)
	if len(m.conns.rows) != 1 || m.mode != browsing {
		t.Errorf("%d rows after enter", len(m.conns.rows))
	}
	m = send(m, press("/", "ctrl+u", "bogus==1")...)
	if !strings.Contains(m.View(), "there is no field") {
		t.Errorf("a wrong filter goes unnoticed:\n%s", m.View())
	}
	m = send(m, press("enter", "esc")...)
	if !m.filter.empty() {
		t.Error("esc leaves the filter")
	}
}

func TestKeysAreTextWhileTyping(t *testing.T) {
	m := send(screen(Config{}, busy(3, 1), 80, 24), press("/", "q", "space", "5")...)
	if m.input != "q 5" || m.view != viewConns {
		t.Errorf("typed %q, view %d", m.input, m.view)
	}
}

func TestPauseKeepsTheSnapshot(t *testing.T) {
	first, second := busy(3, 1), busy(5, 1)
	m := screen(Config{Source: func() *flow.Snapshot { return second }}, first, 80, 24)
	before := len(m.conns.rows)
	m = send(m, press("p")...)
	m = send(m, snapshotMsg{second, m.chain})
	if len(m.conns.rows) != before || !strings.Contains(m.View(), "PAUSED") {
		t.Errorf("%d rows while paused:\n%s", len(m.conns.rows), m.View())
	}
	m = send(m, press("p")...)
	if len(m.conns.rows) != 5 || strings.Contains(m.View(), "PAUSED") {
		t.Errorf("%d rows afterwards", len(m.conns.rows))
	}
}

// TestOneChainOfTicks makes sure that a change of the period does not leave two
// sequences of ticks running.
func TestOneChainOfTicks(t *testing.T) {
	m := screen(Config{}, busy(3, 1), 80, 24)
	old := tickMsg{m.chain}
	m = update1(m, press("+")[0])
	if m.period != 500*time.Millisecond {
		t.Errorf("period %v", m.period)
	}
	if _, cmd := m.Update(old); cmd != nil {
		t.Error("the old chain goes on")
	}
	if _, cmd := m.Update(tickMsg{m.chain}); cmd == nil {
		t.Error("the new chain does not go on")
	}
	if _, cmd := m.Update(snapshotMsg{m.snap, noChain}); cmd != nil {
		t.Error("a snapshot outside the chain starts a tick")
	}
	if _, cmd := m.Update(snapshotMsg{m.snap, m.chain}); cmd == nil {
		t.Error("the chain ends with a snapshot")
	}
}

func TestOvertakenSnapshot(t *testing.T) {
	m := screen(Config{}, busy(3, 5), 80, 24)
	now := m.snap
	next, cmd := m.Update(snapshotMsg{busy(3, 1), m.chain})
	if next.(Model).snap != now || cmd == nil {
		t.Error("an old snapshot replaces a newer one, or ends the ticks")
	}
}

func TestPeriodHasLimits(t *testing.T) {
	m := screen(Config{}, busy(1, 1), 80, 24)
	for range 20 {
		m = update1(m, press("+")[0])
	}
	if m.period != periods[0] {
		t.Errorf("shortest period %v", m.period)
	}
	for range 20 {
		m = update1(m, press("-")[0])
	}
	if m.period != periods[len(periods)-1] {
		t.Errorf("longest period %v", m.period)
	}
}

func TestDetailAsksForItsConnection(t *testing.T) {
	var asked []uint64
	s := busy(12, 3)
	m := screen(Config{Select: func(id uint64) { asked = append(asked, id) }}, s, 80, 24)
	m = send(m, press("/", "pid==4003", "enter", "enter")...)
	if m.detail != 3 || !strings.Contains(m.View(), "198.51.0.3:40003") {
		t.Errorf("detail of %d:\n%s", m.detail, m.View())
	}
	m = send(m, press("esc")...)
	if m.detail != 0 || len(asked) != 2 || asked[0] != 3 || asked[1] != 0 {
		t.Errorf("asked for %v", asked)
	}
}

// A source may report the records of one connection alone: the view of records
// asks for those of the one under the cursor, and only while it is shown.
func TestRecordsAskForAConnection(t *testing.T) {
	var asked []uint64
	s := busy(12, 3)
	m := screen(Config{Select: func(id uint64) { asked = append(asked, id) }}, s, 80, 24)
	m = send(m, press("j", "j")...)
	r, _ := m.conns.current()
	m = send(m, press("3", "1", "3", "enter", "esc", "5")...)
	want := []uint64{r.Conn.ID, 0, r.Conn.ID, asked[min(3, len(asked)-1)], r.Conn.ID, 0}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

// Without a connection yet, the first that comes is asked for.
func TestRecordsWaitForAConnection(t *testing.T) {
	var asked []uint64
	m := screen(Config{Select: func(id uint64) { asked = append(asked, id) }}, &flow.Snapshot{}, 80, 24)
	m = send(m, press("3")...)
	next, cmd := m.Update(snapshotMsg{busy(2, 3), m.chain})
	both, ok := cmd().(tea.BatchMsg) // the next tick, and the question
	if !ok || len(both) != 2 {
		t.Fatalf("the command is %T", cmd())
	}
	both[1]()
	if len(asked) != 1 || asked[0] != next.(Model).source || asked[0] == 0 {
		t.Errorf("asked for %v", asked)
	}
}

func TestPlaintextOnlyOnDemand(t *testing.T) {
	m := screen(Config{Filter: "pid==4003"}, busy(12, 3), 120, 200)
	m = send(m, press("enter")...)
	if strings.Contains(m.View(), "48 54 54 50") {
		t.Error("plaintext is shown without being asked for")
	}
	m = send(m, press("x")...)
	if !strings.Contains(m.View(), "48 54 54 50") || !strings.Contains(m.View(), "PLAINTEXT IS SHOWN") {
		t.Errorf("no plaintext, or no warning:\n%s", m.View())
	}
	m.snap.Detail.Records = nil
	if !strings.Contains(m.View(), "no plaintext") {
		t.Error("the lack of plaintext goes unexplained")
	}
}

func TestEscRightBeforeAKey(t *testing.T) {
	m := screen(Config{}, busy(12, 3), 80, 24)
	m = send(m, press("enter")...)
	m = update1(m, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{'3'}, Alt: true})
	if m.detail != 0 || m.view != viewRecords {
		t.Errorf("detail %d, view %d", m.detail, m.view)
	}
}

func TestGroupsLeadToConnections(t *testing.T) {
	m := screen(Config{}, busy(100, 2), 80, 24)
	m = send(m, press("2", "enter")...)
	if m.view != viewConns || len(m.conns.rows) != 2 {
		t.Errorf("view %d with %d rows", m.view, len(m.conns.rows))
	}
}

func TestRecordsFollowTheNewest(t *testing.T) {
	m := screen(Config{}, busy(12, 3), 80, 10)
	m = send(m, press("3")...)
	if m.records.cursor != len(m.records.rows)-1 {
		t.Error("the cursor is not on the newest")
	}
	m = send(m, press("k", "k")...)
	key := m.records.sel
	m = send(m, snapshotMsg{m.snap, noChain})
	if m.records.sel != key || m.records.tail {
		t.Error("the cursor left its record")
	}
	m = send(m, press("G")...)
	if !m.records.tail {
		t.Error("the end does not follow the newest again")
	}
	m = send(m, press("S")...)
	if m.records.cursor != 0 || m.records.rows[0].Mono < m.records.rows[1].Mono {
		t.Error("the other way round, the cursor is not on the newest")
	}
}

func TestSave(t *testing.T) {
	s := busy(3, 1)
	var saved *flow.Snapshot
	cfg := Config{Save: func(s *flow.Snapshot) (string, error) { saved = s; return "here\x1b.json", nil }}
	m := send(screen(cfg, s, 80, 24), press("w")...)
	if saved != s || !strings.Contains(m.View(), "wrote here\uFFFD.json") {
		t.Errorf("saved %p:\n%s", saved, m.View())
	}
	cfg.Save = func(*flow.Snapshot) (string, error) { return "", errors.New("write the snapshot: no space") }
	if m = send(screen(cfg, s, 80, 24), press("w")...); !strings.Contains(m.View(), "no space") {
		t.Errorf("the failure goes unnoticed:\n%s", m.View())
	}
}

func TestMouse(t *testing.T) {
	m := screen(Config{}, busy(12, 3), 80, 24)
	click := func(x, y int) {
		m = update1(m, tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	}
	click(15, 2) // PID
	if name := m.conns.cols[m.conns.sort].name; name != "PID" {
		t.Errorf("sorted by %s", name)
	}
	click(5, 6)
	if m.conns.cursor != 3 {
		t.Errorf("cursor on %d", m.conns.cursor)
	}
	click(5, 6)
	if m.detail == 0 {
		t.Error("a click on the chosen row does not look closer")
	}
	click(20, 1)
	if m.view != viewProcs || m.detail != 0 {
		t.Errorf("view %d, detail %d", m.view, m.detail)
	}
	m = update1(m, tea.MouseMsg{Button: tea.MouseButtonWheelDown, Action: tea.MouseActionPress})
	if m.groups.cursor != 3 {
		t.Errorf("cursor on %d after the wheel", m.groups.cursor)
	}
}

func TestQuit(t *testing.T) {
	for _, k := range []string{"q", "ctrl+c"} {
		_, cmd := screen(Config{}, busy(1, 1), 80, 24).Update(press(k)[0])
		if cmd == nil {
			t.Fatalf("%s does nothing", k)
		}
		if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("%s does not quit", k)
		}
	}
	m := update1(screen(Config{}, busy(1, 1), 80, 24), press("/")[0])
	if _, cmd := m.Update(press("ctrl+c")[0]); cmd == nil {
		t.Error("ctrl+c does nothing while typing")
	}
}

// TestUpdateIsPure makes sure that an older model draws what it drew before.
func TestUpdateIsPure(t *testing.T) {
	old := screen(Config{}, busy(12, 3), 80, 24)
	before := old.View()
	next := send(old, press("j", "s", "j", "enter", "S", "/", "nginx")...)
	send(next, snapshotMsg{busy(5, 2), noChain}, tea.WindowSizeMsg{Width: 10, Height: 3})
	if old.View() != before {
		t.Error("an update changed the model that it came from")
	}
}

func TestEveryKeyHasHelp(t *testing.T) {
	lines := screen(Config{}, busy(1, 1), 120, 24)
	lines.mode = helping
	var all strings.Builder
	for _, l := range lines.helpLines() {
		all.WriteString(l.render(lines.palette, 200, &blocks) + "\n")
	}
	for _, word := range []string{"quit", "filter", "pause", "snapshot", "connections", "page up", "plaintext", "period"} {
		if !strings.Contains(all.String(), word) {
			t.Errorf("the help lacks %q", word)
		}
	}
}

func TestCost(t *testing.T) {
	a, b := busy(3, 1), busy(3, 2)
	a.Run.Programs[0].Nanos, b.Run.Programs[0].Nanos = 0, 20_000_000
	c := cost{}.next(a, b)
	if got := c.String(); !strings.Contains(got, "1.00 % of the CPUs") || !strings.Contains(got, "per record") {
		t.Errorf("cost %q", got)
	}
	if c.next(b, b) != c {
		t.Error("no time between two snapshots makes a cost")
	}
	b.Run.CostOver = a.Run.CostOver + 500*time.Millisecond
	if got := (cost{}).next(a, b).String(); !strings.Contains(got, "2.00 % of the CPUs") {
		t.Errorf("20 ms of half a second on two CPUs: %q", got)
	}
}

// TestKeysAtOnce: what a slow line delivers in one piece are several keys, and
// what is pasted is none.
func TestKeysAtOnce(t *testing.T) {
	s := busy(12, 3)
	at := func(msgs ...tea.Msg) Model { return send(screen(Config{}, s, 120, 40), msgs...) }
	burst := func(text string) tea.Msg { return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text)} }
	if m := at(burst("jjj")); m.conns.cursor != 3 {
		t.Errorf("jjj moves to %d", m.conns.cursor)
	}
	if m := at(burst("/comm nginx"), tea.KeyMsg{Type: tea.KeyEnter}); m.input != "comm nginx" || m.mode != browsing {
		t.Errorf("filter %q", m.input)
	}
	paste := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("2jq"), Paste: true}
	if m := at(paste); m.view != viewConns || m.conns.cursor != 0 {
		t.Error("a paste presses keys")
	}
	if m := at(press("s", "end", "enter")...); m.conns.cols[m.conns.sort].name != "LOST" {
		t.Errorf("the last of the menu is %s", m.conns.cols[m.conns.sort].name)
	}
}

func TestFlags(t *testing.T) {
	r := &flow.Row{Info: &flow.Info{}}
	if got := appendFlags(nil, r); len(got) != 0 {
		t.Errorf("flags %q", got)
	}
	r.TLS[event.RX] = event.TLS{ZeroCopy: true, NoPad: true}
	r.Gen[event.TX] = 1
	if got := string(appendFlags(nil, r)); got != "ZNK" {
		t.Errorf("flags %q, want ZNK", got)
	}
}

// TestMeasuredWhileShown: the cost is measured while the view of the run is open.
func TestMeasuredWhileShown(t *testing.T) {
	var said []bool
	m := screen(Config{Measure: func(on bool) { said = append(said, on) }}, busy(3, 1), 80, 24)
	if send(m, press("5", "5", "1", "2")...); !slices.Equal(said, []bool{true, false}) {
		t.Errorf("measuring was switched %v", said)
	}
}

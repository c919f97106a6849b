package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
)

// rowKey identifies a row from one snapshot to the next.
type rowKey struct{ a, b, c uint64 }

// table is a list of rows with a cursor that stays on its row while the rows
// move. The zero cursor is on the first row.
type table[T any] struct {
	cols  []column[T]
	keyOf func(T) rowKey
	match func(T, *Filter) bool
	// old reports whether a row belongs to the past; nil if no row does.
	old func(T) bool

	sort    int // index into cols; -1 leaves the order as it comes
	reverse bool
	// stream reports that new rows come last; tail keeps the cursor on them until the user
	// moves it.
	stream, tail bool

	rows    []T
	sel     rowKey
	picked  bool // sel was chosen, and is followed
	cursor  int
	top     int
	visible int // rows on the screen when it was drawn last
}

// set shows the rows that pass f, in order, with the cursor on the chosen row.
func (t *table[T]) set(all []T, f *Filter) {
	t.rows = make([]T, 0, len(all))
	for _, row := range all {
		if f.empty() || t.match(row, f) {
			t.rows = append(t.rows, row)
		}
	}
	t.order()
	t.find()
}

func (t *table[T]) order() {
	if t.sort < 0 {
		if t.reverse {
			slices.Reverse(t.rows)
		}
		return
	}
	col := &t.cols[t.sort]
	sign := 1
	if col.down != t.reverse {
		sign = -1
	}
	// Faster than a stable sort, and with the places as stable.
	places := make([]place[T], len(t.rows))
	for i, row := range t.rows {
		places[i] = place[T]{row, i}
	}
	slices.SortFunc(places, func(a, b place[T]) int {
		return cmp.Or(sign*col.order(a.row, b.row), a.at-b.at)
	})
	for i := range places {
		t.rows[i] = places[i].row
	}
}

// place is a row and where it was before the sorting.
type place[T any] struct {
	row T
	at  int
}

// find puts the cursor on the chosen row. If that row is gone, the cursor stays where it is.
func (t *table[T]) find() {
	if t.picked {
		for i, row := range t.rows {
			if t.keyOf(row) == t.sel {
				t.cursor = i
				break
			}
		}
	}
	if t.tail {
		t.cursor = t.newest()
	}
	t.clamp()
}

// newest is where new rows appear.
func (t *table[T]) newest() int {
	if t.reverse {
		return 0
	}
	return len(t.rows) - 1
}

func (t *table[T]) clamp() {
	t.cursor = max(0, min(t.cursor, len(t.rows)-1))
	if t.picked && t.cursor < len(t.rows) {
		t.sel = t.keyOf(t.rows[t.cursor])
	}
}

// to moves the cursor to row i and follows it from there.
func (t *table[T]) to(i int) {
	t.cursor, t.picked, t.tail = i, true, false
	t.clamp()
}

// resize keeps the cursor among the height rows that are drawn.
func (t *table[T]) resize(height int) {
	t.visible = max(height, 1)
	t.top = min(t.top, t.cursor)
	t.top = max(t.top, t.cursor-t.visible+1, 0)
	t.top = max(0, min(t.top, len(t.rows)-t.visible))
}

// navigate handles the keys that move the cursor.
func (t *table[T]) navigate(k key.Binding) {
	switch k.Help() {
	case keys.Up.Help():
		t.to(t.cursor - 1)
	case keys.Down.Help():
		t.to(t.cursor + 1)
	case keys.PageUp.Help():
		t.to(t.cursor - max(t.visible-1, 1))
	case keys.PageDown.Help():
		t.to(t.cursor + max(t.visible-1, 1))
	case keys.Home.Help():
		t.to(0)
		t.tail = t.stream && t.reverse
	case keys.End.Help():
		t.to(len(t.rows) - 1)
		t.tail = t.stream && !t.reverse
	}
}

// current is the row under the cursor.
func (t *table[T]) current() (row T, ok bool) {
	if t.cursor < len(t.rows) {
		return t.rows[t.cursor], true
	}
	return row, false
}

// sortBy sorts by column i, or reverses the order if it is sorted by i already.
func (t *table[T]) sortBy(i int) {
	if i < 0 || i >= len(t.cols) || t.cols[i].order == nil {
		return
	}
	t.reverse = t.sort == i && !t.reverse
	t.sort = i
}

// at is the column at x of the screen, -1 for none.
func (t *table[T]) at(x, width int) int {
	for _, p := range layout(t.cols, width) {
		if x >= p.x && x < p.x+p.width {
			return p.index
		}
	}
	return -1
}

// head is the line of column names; the one sorted by has a mark.
func (t *table[T]) head(width int, e *env) line {
	var b strings.Builder
	b.WriteString(spaces(margin))
	for i, p := range layout(t.cols, width) {
		if i > 0 {
			b.WriteByte(' ')
		}
		col := &t.cols[p.index]
		b.WriteString(fit(t.title(p.index, e.glyphs), p.width, col.right, e.glyphs.cut))
	}
	return line{{b.String(), title}}
}

func (t *table[T]) title(i int, g *glyphs) string {
	name := t.cols[i].name
	switch {
	case i != t.sort:
		return name
	case t.cols[i].down != t.reverse:
		return name + g.down
	}
	return name + g.up
}

// body draws the rows from top on.
func (t *table[T]) body(width, height int, e *env) []line {
	places := layout(t.cols, width)
	out := make([]line, 0, height)
	for i := t.top; i < len(t.rows) && len(out) < height; i++ {
		out = append(out, t.draw(places, i, e))
	}
	return out
}

func (t *table[T]) draw(places []placed, i int, e *env) line {
	row := t.rows[i]
	old := t.old != nil && t.old(row)
	out := line{{marks(i == t.cursor, old), plain}}
	var buf []byte
	for n, p := range places {
		col := &t.cols[p.index]
		e.width = p.width
		if col.paint != nil {
			out = append(append(out, span{text: " "}), col.paint(row, e)...)
			continue
		}
		buf = col.cell(buf[:0], row, e)
		cell := span{text: fit(string(buf), p.width, col.right, e.glyphs.cut)}
		if n > 0 {
			cell.text = " " + cell.text
		}
		if col.tone != nil {
			cell.tone = col.tone(row)
		}
		out = append(out, cell)
	}
	return out.shade(i == t.cursor, old)
}

// marks say in characters what colour says too. A space follows, but where both
// have to be said.
func marks(cursor, old bool) string {
	switch {
	case cursor && old:
		return ">x"
	case cursor:
		return "> "
	case old:
		return "x "
	}
	return "  "
}

// shade joins the pieces of a row that is drawn in one tone.
func (l line) shade(cursor, old bool) line {
	t := plain
	switch {
	case cursor:
		t = chosen
	case old:
		t = faint
	}
	var b strings.Builder
	out := l[:0:0]
	for _, s := range l {
		if t == plain && s.tone != plain {
			if b.Len() > 0 {
				out = append(out, span{b.String(), plain})
				b.Reset()
			}
			out = append(out, s)
			continue
		}
		b.WriteString(s.text)
	}
	if b.Len() > 0 {
		out = append(out, span{b.String(), t})
	}
	return out
}

package tui

import (
	"cmp"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
)

// env is what a cell may need besides its row.
type env struct {
	snap   *flow.Snapshot
	glyphs *glyphs
	loc    *time.Location
	width  int // of the cell being drawn
}

// column is one column of a table of T.
type column[T any] struct {
	name string
	// width is the least number of columns on the screen, most what it grows
	// to where there is room; 0 for no growth.
	width, most int
	right       bool
	// prio is the order in which columns are omitted if there is no room for all: the highest
	// number first.
	prio int
	// cell appends the text of a row, safe and without escapes.
	cell func(dst []byte, row T, e *env) []byte
	// paint draws the cell in several tones, exactly width columns, instead of
	// cell.
	paint func(row T, e *env) line
	// tone is nil for plain text.
	tone func(row T) tone
	// order compares two rows; nil if the column cannot be sorted by. down puts the largest
	// first.
	order func(a, b T) int
	down  bool
	// help describes the column.
	help string
}

// by makes an order of what f takes from a row.
func by[T any, V cmp.Ordered](f func(T) V) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(f(a), f(b)) }
}

// placed is a column with its place on the screen.
type placed struct{ index, x, width int }

// margin is the room on the left that holds the row's marks.
const margin = 2

// layout chooses the columns that fit width and spreads them. The column with the first
// priority is always shown.
func layout[T any](cols []column[T], width int) []placed {
	room := width - margin
	shown := choose(cols, room)
	out := make([]placed, 0, len(cols))
	for i, ok := range shown {
		if ok {
			out = append(out, placed{index: i, width: cols[i].width})
			room -= cols[i].width + 1
		}
	}
	grow(cols, out, room+1)
	x := margin
	for i := range out {
		out[i].x = x
		x += out[i].width + 1
	}
	return out
}

// choose marks the columns that are shown, by priority.
func choose[T any](cols []column[T], room int) []bool {
	shown := make([]bool, len(cols))
	room++ // the last column needs no gap
	for prio, left := 0, len(cols); left > 0; prio++ {
		for i := range cols {
			if cols[i].prio != prio {
				continue
			}
			left--
			if need := cols[i].width + 1; need <= room || prio == 0 {
				shown[i] = true
				room -= need
			}
		}
	}
	return shown
}

// grow distributes the remaining room among the columns that can grow, one column of the
// screen at a time, so that they grow together. If room is negative, the only column shrinks.
func grow[T any](cols []column[T], out []placed, room int) {
	if room < 0 && len(out) > 0 {
		out[0].width = max(out[0].width+room, 0)
		return
	}
	for grown := true; grown && room > 0; {
		grown = false
		for i := range out {
			if room > 0 && out[i].width < cols[out[i].index].most {
				out[i].width++
				room--
				grown = true
			}
		}
	}
}

package picture

// box is the part of a cell that a block element fills, in cells, and how much
// of it shows.
type box struct{ y, w, h, shade float64 }

// boxes are the block elements that the dashboard draws with. A bar keeps a
// margin above and below, so that lines of bars can be told apart.
var boxes = map[rune]box{'█': {.14, 1, .76, 1}, '▓': {.14, 1, .76, .8}, '░': {.14, 1, .76, .55}}

func init() {
	for i, c := range []rune("▏▎▍▌▋▊▉") {
		boxes[c] = box{.14, float64(i+1) / 8, .76, 1}
	}
	for i, c := range []rune("▁▂▃▄▅▆▇") {
		h := float64(i+1) / 8 * .9
		boxes[c] = box{1 - h, .9, h, 1}
	}
}

func isBoxed(c rune) bool {
	_, is := boxes[c]
	return is
}

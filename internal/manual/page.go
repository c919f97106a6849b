// Package manual writes the pages of the manual: each is one Page, which Text
// writes for a terminal, as --help, and Man for man(1). So the two cannot differ.
package manual

// Page is one page of the manual.
type Page struct {
	// Name is what man(1) finds the page by, such as ktlstop-trace.
	Name string
	// Section is that of the manual: 1 for a command, 7 for a language or a format.
	Section int
	// Short says in a few words what the page is about. It has no full stop.
	Short string
	// Usage are the command lines, one an element.
	Usage []string
	// About describes it.
	About []Block
	// Sections follow, in their order.
	Sections []Section
}

// Section is a part of a page, with a title in sentence case.
type Section struct {
	Title  string
	Blocks []Block
	// Sub sections belong to the last one before them that is none.
	Sub bool
}

// Block is a Para, a Lines or an Items.
type Block interface {
	// text writes the block for a terminal, indented by so many columns.
	text(w *textWriter, indent int)
	// man writes the block as source for man(1).
	man(w *manWriter)
}

// Para is a paragraph. It is wrapped.
type Para string

// Lines are shown as they are, such as command lines.
type Lines []string

// Items are terms and what is said of each.
type Items []Item

// Item is a term, such as a flag, and a sentence or two about it.
type Item struct{ Term, Text string }

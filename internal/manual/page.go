// Package manual lays out the pages of the manual. Text lays a Page out for a
// terminal, as --help prints it, and Man for man(1), so that the two cannot differ.
package manual

// Page is one page of the manual.
type Page struct {
	// Name is the name of the manual page, such as ktlstop-trace.
	Name string
	// Section is the section of the manual: 1 for a command, 7 for a language or a format.
	Section int
	// Short says in a few words what the page is about, without a full stop.
	Short string
	// Usage lists the forms of the command line.
	Usage []string
	// About is the description.
	About []Block
	// Sections follow the description.
	Sections []Section
}

// Section is a part of a page, with a title in sentence case.
type Section struct {
	Title  string
	Blocks []Block
	// Sub: the section belongs to the last one before it that is not Sub.
	Sub bool
}

// Block is a Para, Lines or Items.
type Block interface {
	// text writes the block for a terminal, indented by so many columns.
	text(w *textWriter, indent int)
	// man writes the block as source for man(1).
	man(w *manWriter)
}

// Para is a paragraph. It is wrapped.
type Para string

// Lines keep their form, such as command lines.
type Lines []string

// Items are terms with a description each.
type Items []Item

// Item is a term, such as a flag, and its description.
type Item struct{ Term, Text string }

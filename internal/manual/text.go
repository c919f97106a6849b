package manual

import "strings"

// Width is the number of columns that no wrapped line exceeds.
const Width = 79

// Columns of a page for a terminal.
const (
	indent = 2
	// widestTerm is the length of the longest term with its text beside it.
	widestTerm = 24
)

type textWriter struct{ strings.Builder }

// Text returns the page for a terminal. Only Lines and terms may be wider than Width.
func (p *Page) Text() string {
	w := new(textWriter)
	w.blocks(p.About, 0)
	if len(p.Usage) > 0 {
		w.title("Usage")
		Lines(p.Usage).text(w, indent)
	}
	for _, s := range p.Sections {
		if len(s.Blocks) > 0 {
			w.title(s.Title)
			w.blocks(s.Blocks, indent)
		}
	}
	return w.String()
}

func (w *textWriter) title(title string) { w.WriteString("\n" + title + ":\n") }

func (w *textWriter) blocks(blocks []Block, indent int) {
	for i, b := range blocks {
		if i > 0 {
			w.WriteByte('\n')
		}
		b.text(w, indent)
	}
}

func (p Para) text(w *textWriter, indent int) {
	for _, line := range Wrap(string(p), Width-indent) {
		w.line(indent, line)
	}
}

func (l Lines) text(w *textWriter, indent int) {
	for _, line := range l {
		w.line(indent, line)
	}
}

func (w *textWriter) line(indent int, text string) {
	if text != "" {
		w.WriteString(strings.Repeat(" ", indent))
	}
	w.WriteString(text + "\n")
}

func (items Items) text(w *textWriter, indent int) {
	column := indent + items.column()
	for _, item := range items {
		line := strings.Repeat(" ", indent) + item.Term
		for i, text := range Wrap(item.Text, Width-column) {
			if i == 0 && len(line)+2 > column {
				w.WriteString(line + "\n")
			}
			if i > 0 || len(line)+2 > column {
				line = ""
			}
			w.WriteString(line + strings.Repeat(" ", column-len(line)) + text + "\n")
		}
	}
}

// column is the column at which texts begin, counted from where the terms begin.
func (items Items) column() int {
	longest := 0
	for _, item := range items {
		longest = max(longest, len(item.Term))
	}
	return min(longest, widestTerm) + 2
}

// Wrap cuts text into lines of at most width bytes, between words. It returns one
// empty line for an empty text.
func Wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

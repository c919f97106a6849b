package manual

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

type manWriter struct{ strings.Builder }

// Man returns the page as source for man(1), in the macros of man(7). The packages fill
// in date and version, so that a page changes with its text alone.
func (p *Page) Man() string {
	w := new(manWriter)
	fmt.Fprintf(w, ".\\\" Made by \"make man\" from the help of the program: change it there.\n.TH %s %d \"\" \"ktlstop\" \"%s\"\n",
		strings.ToUpper(p.Name), p.Section, map[int]string{1: "User Commands", 7: "Miscellaneous Information"}[p.Section])
	w.WriteString(".SH NAME\n" + escape(p.Name) + " \\- " + escape(p.Short) + "\n")
	if len(p.Usage) > 0 {
		w.WriteString(".SH SYNOPSIS\n")
		Lines(p.Usage).man(w)
	}
	w.WriteString(".SH DESCRIPTION\n")
	w.blocks(p.About)
	for _, s := range p.Sections {
		macro, title := ".SH ", strings.ToUpper(s.Title)
		if s.Sub {
			macro, title = ".SS ", s.Title
		}
		w.WriteString(macro + escape(title) + "\n")
		w.blocks(s.Blocks)
	}
	return w.String()
}

func (w *manWriter) blocks(blocks []Block) {
	for i, b := range blocks {
		if _, items := b.(Items); i > 0 && !items { // which begin a paragraph themselves
			w.WriteString(".PP\n")
		}
		b.man(w)
	}
}

// manWidth is the length of source lines before they are escaped. man(1) fills lines itself.
const manWidth = 72

func (p Para) man(w *manWriter) {
	for _, line := range Wrap(string(p), manWidth) {
		w.WriteString(flags(protect(escape(line))) + "\n")
	}
}

func (l Lines) man(w *manWriter) {
	w.WriteString(".nf\n")
	for _, line := range l {
		w.WriteString(protect(escape(line)) + "\n")
	}
	w.WriteString(".fi\n")
}

func (items Items) man(w *manWriter) {
	table := items.isTable()
	for i, item := range items {
		macro := ".TP"
		if table {
			macro = fmt.Sprintf(".TP %d", items.column())
		}
		w.WriteString(macro + "\n\\fB" + escape(strings.TrimSpace(item.Term)) + "\\fR\n")
		Para(item.Text).man(w)
		if table && i == 0 {
			w.WriteString(".PD 0\n")
		}
	}
	if table {
		w.WriteString(".PD\n")
	}
}

// isTable says whether the list is set as a table: texts beside the terms, and no empty
// lines. Lists of flags are not, as is usual in manual pages.
func (items Items) isTable() bool {
	return !slices.ContainsFunc(items, func(i Item) bool {
		return len(i.Term) > widestTerm || strings.HasPrefix(strings.TrimSpace(i.Term), "-")
	})
}

// escape keeps troff from changing or obeying characters, so that text can be copied from
// the page into a shell.
var escape = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace

// protect keeps troff from taking a line for a request.
func protect(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

var flag = regexp.MustCompile(`(^|[ (])(\\-(?:\\-)?[A-Za-z](?:\w|\.\w|\\-\w)*)`)

// flags makes the flags in an escaped line bold.
func flags(line string) string { return flag.ReplaceAllString(line, `$1\fB$2\fR`) }

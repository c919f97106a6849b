package readme

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// Link is a link of a page to another place in the repository.
type Link struct {
	Where string // page and line
	File  string // from the root of the repository, as docs/trace.md
	Head  string // the anchor of a heading there, "" for none
}

var (
	inline  = regexp.MustCompile(`\]\(([^)\s]+)(?: "[^"]*")?\)`)
	code    = regexp.MustCompile("``.*?``|`[^`]*`")
	heading = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	target  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	scheme  = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// Links are the page's links to files and headings of this repository.
func (p Page) Links() (links []Link, err error) {
	_, prose, err := p.Blocks()
	for i, line := range prose {
		for _, m := range inline.FindAllStringSubmatch(code.ReplaceAllString(line, "x"), -1) {
			if scheme.MatchString(m[1]) {
				continue
			}
			file, head, _ := strings.Cut(m[1], "#")
			if file == "" {
				file = p.Name
			} else {
				file = path.Join(path.Dir(p.Name), file)
			}
			links = append(links, Link{Where: fmt.Sprintf("%s:%d", p.Name, i+1), File: file, Head: head})
		}
	}
	return links, err
}

// Headings are the anchors of the page's headings, as GitHub makes them.
func (p Page) Headings() (map[string]bool, error) {
	_, prose, err := p.Blocks()
	anchors := map[string]bool{}
	for _, line := range prose {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		first := anchor(m[1])
		name := first
		for n := 1; anchors[name]; n++ {
			name = fmt.Sprintf("%s-%d", first, n)
		}
		anchors[name] = true
	}
	return anchors, err
}

// anchor is a heading in small letters, with hyphens for blanks, and without
// marks and punctuation.
func anchor(text string) string {
	text = target.ReplaceAllString(text, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

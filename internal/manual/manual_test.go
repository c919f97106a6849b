package manual

import (
	"strings"
	"testing"
)

var page = Page{
	Name: "prog-do", Section: 1, Short: "do it",
	Usage: []string{"prog do [flags]"},
	About: []Block{Para("Does it, and with --long-flag, or -x, it's done. " + strings.Repeat("More words. ", 8)), Para("Again.")},
	Sections: []Section{
		{Title: "Options"},
		{Title: "What to do", Sub: true, Blocks: []Block{Items{
			{"-x, --long-flag N", "the number"},
			{"    --a-flag-with-a-very-long-name NAME", "stands above its text"},
		}}},
		{Title: "Exit status", Blocks: []Block{Items{{"0", "it did"}, {"130", "it did not"}}}},
		{Title: "Examples", Blocks: []Block{Lines{"prog do -x 1 | grep '^a'", "", ".hidden"}}},
	},
}

func TestText(t *testing.T) {
	const want = `Does it, and with --long-flag, or -x, it's done. More words. More words. More
words. More words. More words. More words. More words. More words.

Again.

Usage:
  prog do [flags]

What to do:
  -x, --long-flag N         the number
      --a-flag-with-a-very-long-name NAME
                            stands above its text

Exit status:
  0    it did
  130  it did not

Examples:
  prog do -x 1 | grep '^a'

  .hidden
`
	if got := page.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMan(t *testing.T) {
	const want = `.TH PROG-DO 1 "" "ktlstop" "User Commands"
.SH NAME
prog\-do \- do it
.SH SYNOPSIS
.nf
prog do [flags]
.fi
.SH DESCRIPTION
Does it, and with \fB\-\-long\-flag\fR, or \fB\-x\fR, it\(aqs done. More words. More words.
More words. More words. More words. More words. More words. More words.
.PP
Again.
.SH OPTIONS
.SS What to do
.TP
\fB\-x, \-\-long\-flag N\fR
the number
.TP
\fB\-\-a\-flag\-with\-a\-very\-long\-name NAME\fR
stands above its text
.SH EXIT STATUS
.TP 5
\fB0\fR
it did
.PD 0
.TP 5
\fB130\fR
it did not
.PD
.SH EXAMPLES
.nf
prog do \-x 1 | grep \(aq\(haa\(aq

\&.hidden
.fi
`
	_, got, _ := strings.Cut(page.Man(), "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 5, ""}, {"one two", 7, "one two"}, {"one two", 6, "one|two"}, {"longerword a", 4, "longerword|a"}, {" a\n b ", 9, "a b"},
	} {
		if got := strings.Join(Wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

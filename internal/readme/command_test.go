package readme

import (
	"slices"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	for text, want := range map[string][]string{
		"ktlstop": {"|ktlstop"},
		"ktlstop trace --comm nginx   # what it sends": {"|ktlstop|trace|--comm|nginx"},
		"# ktlstop trace":                                  nil,
		"sudo bin/ktlstop list; ktlstop doctor #x":         {"|ktlstop|list", "|ktlstop|doctor"},
		"A=1 B='2 3' ktlstop serve &":                      {"A=1 B='2 3'|ktlstop|serve"},
		"ktlstop trace --match 'a == \"b c\" and d'":       {`|ktlstop|trace|--match|a == "b c" and d`},
		"ktlstop trace \\\n  -c 3 > x.txt 2>&1":            {"|ktlstop|trace|-c|3"},
		"ktlstop trace -o json | jq '.x | .y' | wc":        {"|ktlstop|trace|-o|json"},
		"source <(ktlstop completion bash)":                {"|ktlstop|completion|bash"},
		`ktlstop inspect --cbpf "$(tcpdump -ddd 'a (b)')"`: {"|ktlstop|inspect|--cbpf|$(tcpdump -ddd 'a (b)')"},
		"x=$(ktlstop list) && echo \"it's $x\"":            {"|ktlstop|list"},
		"make build\nls ktlstop":                           nil,
		"bin/vmrun -- bin/ktlstop demo":                    nil,
	} {
		p := Page{Name: "x.md", Text: "```sh\n" + text + "\n```\n"}
		got, err := p.Commands()
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var lines []string
		for _, c := range got {
			lines = append(lines, strings.Join(append([]string{c.Env}, c.Words...), "|"))
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%q: %q, want %q", text, lines, want)
		}
	}
}

// A command keeps the shell's text, which the tests hand to a shell.
func TestTextOfCommand(t *testing.T) {
	p := Page{Name: "x.md", Text: "a\n```sh\nls\nX=1 ktlstop trace --match 'a b' > y # so\n```\n"}
	got, err := p.Commands()
	want := Command{Where: "x.md:4", Run: true, Env: "X=1", Text: "ktlstop trace --match 'a b' > y", Words: []string{"ktlstop", "trace", "--match", "a b"}}
	if err != nil || len(got) != 1 || got[0].Where != want.Where || !got[0].Run || got[0].Env != want.Env || got[0].Text != want.Text || !slices.Equal(got[0].Words, want.Words) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestLanguagesOfBlocks(t *testing.T) {
	p := Page{Name: "x.md", Text: "```sh\nktlstop a\n```\n  ```console\n  ktlstop b\n  $ ktlstop c\n  ```\n" +
		"```text\n# ktlstop d\nktlstop: failed\n```\n```yaml\nktlstop e\n```\n"}
	got, err := p.Commands()
	var words string
	for _, c := range got {
		words += c.Words[1]
		if c.Run != (c.Words[1] == "a") {
			t.Errorf("%+v", c)
		}
	}
	if err != nil || words != "abcd" {
		t.Errorf("%q, %v", words, err)
	}
}

func TestWhatIsNotUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		"```sh\nls\nktlstop 'x\n```\n": "x.md:3: a quote is not closed",
		"```sh\necho $(ktlstop\n```\n": "x.md:3: a parenthesis is not closed",
		"```sh\ncat <<EOF\nEOF\n```\n": "x.md:2: a here-document: give it a block of its own",
		"text\n```sh\nktlstop\n":       "x.md:2: the block does not end",
	} {
		if _, err := (Page{Name: "x.md", Text: text}).Commands(); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

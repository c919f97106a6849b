package readme

import (
	"fmt"
	"strings"
)

// Command is a command line of ktlstop in a document.
type Command struct {
	Where string   // page and line, as README.md:12
	Run   bool     // whether the page means it to be run where it is tested
	Env   string   // the shell's text of variables that it is given, as "A=1 B=2"
	Text  string   // the shell's text from the word ktlstop on, redirections included
	Words []string // the same without quotes, redirections and comments; Words[0] is ktlstop
}

// Commands are the command lines of ktlstop in the page's blocks. An error names
// a line that this package's small part of the shell's language does not cover.
func (p Page) Commands() (all []Command, err error) {
	blocks, _, err := p.Blocks()
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		found, err := p.inBlock(b)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (p Page) inBlock(b Block) (all []Command, err error) {
	switch b.Lang {
	case "sh":
		return p.inScript(b.Text, b.Line, true)
	case "console", "text":
	default:
		return nil, nil
	}
	for i, line := range strings.Split(b.Text, "\n") {
		script, prompted := afterPrompt(line)
		if !prompted && b.Lang == "text" {
			continue
		}
		found, err := p.inScript(script, b.Line+i, false)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// afterPrompt is what somebody typed behind a prompt.
func afterPrompt(line string) (string, bool) {
	for _, prompt := range []string{"# ", "$ "} {
		if rest, ok := strings.CutPrefix(line, prompt); ok && strings.HasPrefix(rest, "ktlstop") {
			return rest, true
		}
	}
	return line, false
}

func (p Page) inScript(text string, line int, run bool) ([]Command, error) {
	s := &script{text: text}
	if err := s.list(0); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", p.Name, line+strings.Count(text[:s.at], "\n"), err)
	}
	var all []Command
	for _, c := range s.found {
		c.Where = fmt.Sprintf("%s:%d", p.Name, line+strings.Count(text[:c.at], "\n"))
		c.Run = run
		all = append(all, c.Command)
	}
	return all, nil
}

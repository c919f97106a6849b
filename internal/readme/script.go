package readme

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
)

// script reads as much of the shell's language as documents need: simple
// commands, quotes, comments, pipelines and lists, redirections, and commands
// within $() and <().
type script struct {
	text  string
	at    int // the byte that is read next
	found []located
}

// located is a command and where in the script it begins.
type located struct {
	Command
	at int
}

// token is a word of a simple command.
type token struct {
	from, to int    // its bytes in the script
	text     string // without quotes
	aside    bool   // belongs to a redirection
}

const operators = "|&;()\n"

// redirection is what a redirection begins with.
var redirection = regexp.MustCompile(`^[0-9]?(>>|>&|<&|>|<)`)

// list reads simple commands up to the byte end, or to the end of the script
// where end is 0.
func (s *script) list(end byte) error {
	for s.at < len(s.text) {
		if s.text[s.at] == end {
			return nil
		}
		if strings.IndexByte(operators, s.text[s.at]) >= 0 {
			s.at++
			continue
		}
		words, err := s.simple()
		if err != nil {
			return err
		}
		s.keep(words)
	}
	if end != 0 {
		return errors.New("a parenthesis is not closed")
	}
	return nil
}

// simple reads a command up to the operator behind it.
func (s *script) simple() (words []token, err error) {
	aside := false
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "\\\n"):
			s.at += 2
		case c == ' ' || c == '\t':
			s.at++
		case c == '#':
			s.skipLine()
		case strings.HasPrefix(rest, "<<"):
			return nil, errors.New("a here-document: give it a block of its own")
		case redirection.MatchString(rest) && !strings.HasPrefix(rest, "<("):
			n := len(redirection.FindString(rest))
			words, aside = append(words, token{s.at, s.at + n, rest[:n], true}), true
			s.at += n
		case strings.IndexByte(operators, c) >= 0:
			return words, nil
		default:
			w, err := s.word()
			if err != nil {
				return nil, err
			}
			w.aside, aside = aside, false
			words = append(words, w)
		}
	}
	return words, nil
}

func (s *script) skipLine() {
	if n := strings.IndexByte(s.text[s.at:], '\n'); n >= 0 {
		s.at += n
	} else {
		s.at = len(s.text)
	}
}

// word reads up to a blank or an operator that is not quoted.
func (s *script) word() (token, error) {
	w := token{from: s.at}
	for s.at < len(s.text) && strings.IndexByte(" \t<>"+operators, s.text[s.at]) < 0 || strings.HasPrefix(s.text[s.at:], "<(") {
		part, err := s.part()
		if err != nil {
			return w, err
		}
		w.text += part
	}
	w.to = s.at
	return w, nil
}

// part reads what a word is made of: a quoted text, a substitution or a byte.
func (s *script) part() (string, error) {
	rest := s.text[s.at:]
	switch {
	case rest[0] == '\'':
		quoted, _, closed := strings.Cut(rest[1:], "'")
		if !closed {
			return "", errors.New("a quote is not closed")
		}
		s.at += len(quoted) + 2
		return quoted, nil
	case rest[0] == '"':
		s.at++
		return s.quoted()
	case strings.HasPrefix(rest, "$(") || strings.HasPrefix(rest, "<("):
		return s.substitution()
	case rest[0] == '\\' && len(rest) > 1:
		s.at += 2
		return strings.TrimPrefix(rest[1:2], "\n"), nil
	}
	s.at++
	return rest[:1], nil
}

// quoted reads to the closing double quote.
func (s *script) quoted() (text string, err error) {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case rest[0] == '"':
			s.at++
			return text, nil
		case rest[0] == '\'': // which quotes nothing here
			text, s.at = text+"'", s.at+1
			continue
		}
		part, err := s.part()
		if err != nil {
			return "", err
		}
		text += part
	}
	return "", errors.New("a quote is not closed")
}

// substitution reads the commands of $() or <(), and returns their text.
func (s *script) substitution() (string, error) {
	from := s.at
	s.at += 2
	if err := s.list(')'); err != nil {
		return "", err
	}
	s.at++
	return s.text[from:s.at], nil
}

var (
	assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
	starters   = []string{"sudo", "env", "exec", "time", "do", "then", "if", "while", "!"}
)

// keep appends the command if it is one of ktlstop.
func (s *script) keep(words []token) {
	var c located
	for len(words) > 0 && (assignment.MatchString(words[0].text) || slices.Contains(starters, words[0].text)) {
		if assignment.MatchString(words[0].text) {
			c.Env = strings.TrimSpace(c.Env + " " + s.text[words[0].from:words[0].to])
		}
		words = words[1:]
	}
	if len(words) == 0 || path.Base(words[0].text) != "ktlstop" {
		return
	}
	c.at = words[0].from
	c.Text = "ktlstop" + s.text[words[0].to:words[len(words)-1].to]
	c.Words = []string{"ktlstop"}
	for _, w := range words[1:] {
		if !w.aside {
			c.Words = append(c.Words, w.text)
		}
	}
	s.found = append(s.found, c)
}

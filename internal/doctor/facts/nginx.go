package facts

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// nginx reads the configuration that the command line names, or the built-in one.
func (s *scene) nginx(words []string) {
	file, prefix := s.p.Server.File, s.prefix
	file, prefix = cmp.Or(nginxOption(words, 'c'), file), cmp.Or(nginxOption(words, 'p'), prefix)
	switch s.p.Server.File = file; {
	case file == "":
		s.p.Server.Unread = "neither the command line nor the program names it"
		return
	case !path.IsAbs(file) && prefix == "": // the directory that nginx was started in proves nothing
		s.p.Server.Unread = "neither the command line nor the program says what it is relative to"
		return
	case !path.IsAbs(file):
		file = path.Join(prefix, file)
	}
	s.p.Server.File = s.fromCwd(file)
	p := nginxParser{jail: s.jail(), dir: path.Dir(s.p.Server.File)}
	all, err := p.file(s.p.Server.File)
	if err = cmp.Or(err, p.failed); err != nil {
		s.p.Server.Unread = reason(err)
		return
	}
	evaluateNginx(all, s.p.Server)
}

// nginxOption returns the value of the last option with a letter: the rest of its word,
// or the next word. Letters without a value may come before it.
func nginxOption(words []string, letter byte) (value string) {
	for i := 0; i < len(words); i++ {
		letters, dash := strings.CutPrefix(words[i], "-")
		rest := strings.TrimLeft(letters, "?hVvtTq")
		if !dash || rest == "" {
			continue
		}
		this := rest[1:]
		if this == "" && i+1 < len(words) {
			i++
			this = words[i]
		}
		if rest[0] == letter {
			value = this
		}
	}
	return value
}

// directive is a directive of nginx: words, and a block if it has one.
type directive struct {
	words []string
	block []directive
}

func (d *directive) is(words ...string) bool {
	return len(d.words) >= len(words) && slices.Equal(d.words[:len(words)], words)
}

// isOdd reports whether it has text of another language in it, or a value that depends
// on variables, where that matters.
func (d *directive) isOdd() bool {
	if len(d.words) == 0 {
		return false
	}
	return strings.HasSuffix(d.words[0], "_by_lua_block") ||
		d.is("ssl_conf_command") && strings.Contains(strings.Join(d.words, " "), "$")
}

// maxNginxWords limits the words kept of all files.
const maxNginxWords = 500_000

type nginxParser struct {
	*jail
	dir   string // includes are relative to it
	words int
}

func (p *nginxParser) file(name string) ([]directive, error) {
	b, err := p.readFile(name)
	if err != nil {
		return nil, err
	}
	t := tokens{text: string(b)}
	all := p.block(&t)
	if t.odd || t.depth != 0 {
		p.note(errOdd)
	}
	return all, nil
}

// block reads directives to the end of the block, or of the file.
func (p *nginxParser) block(t *tokens) (all []directive) {
	var d directive
	for {
		word, kind := t.next()
		switch kind {
		case tokenWord:
			if p.words++; p.words > maxNginxWords {
				p.note(errTooMuch)
				t.text = ""
			}
			d.words = append(d.words, word)
			continue
		case tokenOpen:
			d.block = p.block(t)
		case tokenClose, tokenEnd:
			return all
		}
		if d.isOdd() {
			p.note(errOdd)
		}
		if d.is("include") && len(d.words) == 2 {
			all = append(all, p.include(d.words[1])...)
		} else if len(d.words) > 0 {
			all = append(all, d)
		}
		d = directive{}
	}
}

func (p *nginxParser) include(name string) (all []directive) {
	if !path.IsAbs(name) {
		name = path.Join(p.dir, name)
	}
	files := []string{name}
	if strings.ContainsAny(name, `*?[`) {
		files = p.glob(name)
	}
	for _, file := range files {
		part, _ := p.file(file) // the jail notes what cannot be read
		all = append(all, part...)
	}
	return all
}

type tokenKind uint8

const (
	tokenWord tokenKind = iota
	tokenSemicolon
	tokenOpen
	tokenClose
	tokenEnd
)

// tokens splits nginx's configuration.
type tokens struct {
	text  string
	depth int
	odd   bool // nginx would reject it
}

func (t *tokens) next() (string, tokenKind) {
	t.text = strings.TrimLeft(t.text, " \t\r\n")
	for strings.HasPrefix(t.text, "#") {
		_, t.text, _ = strings.Cut(t.text, "\n")
		t.text = strings.TrimLeft(t.text, " \t\r\n")
	}
	if t.text == "" {
		return "", tokenEnd
	}
	switch c := t.text[0]; c {
	case ';':
		t.text = t.text[1:]
		return "", tokenSemicolon
	case '{':
		t.text = t.text[1:]
		if t.depth++; t.depth > 100 { // deeper than nginx's own contexts: garbage
			t.text, t.odd = "", true
			return "", tokenEnd
		}
		return "", tokenOpen
	case '}':
		t.text = t.text[1:]
		t.depth--
		return "", tokenClose
	case '"', '\'':
		end := ends(t.text[1:], string(c)) + 1
		word := t.text[1:end]
		if t.text = t.text[end:]; t.text == "" {
			t.odd = true
			return "", tokenEnd
		}
		t.text = t.text[1:]
		return word, tokenWord
	}
	end := ends(t.text, " \t\r\n;{")
	word := t.text[:end]
	t.text = t.text[end:]
	return word, tokenWord
}

// ends returns where a word of s ends: at the first of the characters in stops that is
// neither escaped nor the start of a variable's name, or at the end of s.
func ends(s, stops string) int {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '{' && i > 0 && s[i-1] == '$':
		case strings.IndexByte(stops, s[i]) >= 0:
			return i
		}
	}
	return len(s)
}

// inherited is what a level of nginx's configuration passes on to inner levels.
type inherited struct {
	ktls, sendfile, http2 doctor.Tri
	chunk                 int
}

// evaluateNginx looks at each server with TLS.
func evaluateNginx(all []directive, s *doctor.Server) {
	var with, without int
	for _, top := range all {
		if !top.is("http") && !top.is("stream") && !top.is("mail") {
			continue
		}
		level := inherited{sendfile: doctor.No}.take(top.block)
		for _, server := range top.block {
			if !server.is("server") || !hasTLS(server.block) {
				continue
			}
			own := level.take(server.block)
			s.TLS = true
			if own.ktls == doctor.Yes {
				with++
			} else {
				without++
			}
			if top.is("http") {
				s.Sendfile = max(s.Sendfile, own.sendfile, sendfileBelow(server.block))
				s.HTTP2 = s.HTTP2 || own.http2 == doctor.Yes
				s.ChunkSize = max(s.ChunkSize, own.chunk)
			}
		}
	}
	if with > 0 {
		s.KTLS, s.Partly = doctor.Yes, without > 0
	}
}

// take returns a level with its own settings. ssl_conf_command is inherited only if the
// level has none.
func (i inherited) take(block []directive) inherited {
	own := doctor.Unset
	for _, d := range block {
		switch {
		case d.is("ssl_conf_command") && len(d.words) == 3 && strings.EqualFold(d.words[1], "Options"):
			own = cmp.Or(ktlsOption(d.words[2]), own, doctor.No)
		case d.is("ssl_conf_command"):
			own = max(own, doctor.No)
		case d.is("sendfile") && len(d.words) == 2:
			i.sendfile = onOff(d.words[1])
		case d.is("http2", "on"), d.is("listen") && slices.Contains(d.words, "http2"):
			i.http2 = doctor.Yes
		case d.is("http2_chunk_size") && len(d.words) == 2:
			i.chunk = size(d.words[1])
		}
	}
	i.ktls = cmp.Or(own, i.ktls)
	return i
}

func onOff(word string) doctor.Tri {
	if word == "on" {
		return doctor.Yes
	}
	return doctor.No
}

// size parses a size such as 8k or 1m.
func size(word string) int {
	unit := 1
	switch {
	case strings.HasSuffix(word, "k"), strings.HasSuffix(word, "K"):
		unit = 1 << 10
	case strings.HasSuffix(word, "m"), strings.HasSuffix(word, "M"):
		unit = 1 << 20
	}
	n, err := strconv.Atoi(strings.TrimRight(word, "kKmM"))
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return n * unit
}

// sendfileBelow: a location may set sendfile differently.
func sendfileBelow(block []directive) (is doctor.Tri) {
	for _, d := range block {
		if d.is("sendfile", "on") {
			is = doctor.Yes
		}
		is = max(is, sendfileBelow(d.block))
	}
	return is
}

func hasTLS(block []directive) bool {
	return slices.ContainsFunc(block, func(d directive) bool {
		return d.is("listen") && slices.Contains(d.words, "ssl") || d.is("ssl", "on")
	})
}

package facts

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// haproxy reads the files that the command line names.
func (s *scene) haproxy(words []string) {
	files := option(words, "-f")
	if len(files) == 0 {
		s.p.Server.Unread = "the command line does not name it"
		return
	}
	s.p.Server.File = s.fromCwd(files[0])
	var with, without int
	in := s.jail()
	for _, name := range files {
		for _, file := range haproxyFiles(in, s.fromCwd(name)) {
			b, err := in.readFile(file)
			if err = cmp.Or(err, in.failed); err != nil {
				s.p.Server.Unread = reason(err)
				return
			}
			a, b2, odd := evaluateHAProxy(b, s.p.Server)
			if odd {
				s.p.Server.Unread = reason(errOdd)
				return
			}
			with, without = with+a, without+b2
		}
	}
	s.p.Server.TLS = with+without > 0
	if with > 0 {
		s.p.Server.KTLS, s.p.Server.Partly = doctor.Yes, without > 0
	}
}

// haproxyFiles: a directory stands for the *.cfg in it.
func haproxyFiles(in *jail, name string) []string {
	files, is := in.within(name, ".cfg")
	if !is {
		return []string{name}
	}
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(path.Base(f), ".") })
}

// evaluateHAProxy counts listeners and servers with TLS, by whether they have ktls on. odd:
// that depends on conditions, or on defaults of their section.
func evaluateHAProxy(b []byte, s *doctor.Server) (with, without int, odd bool) {
	lines(b, func(l string) {
		l, _, _ = strings.Cut(l, "#")
		words := strings.Fields(l)
		switch {
		case len(words) == 0:
		case words[0][0] == '.', words[0] == "default-server" && (slices.Contains(words, "ssl") || slices.Contains(words, "ktls")):
			odd = true
		case words[0] == "expose-experimental-directives":
			s.Experimental = true
		case words[0] != "bind" && words[0] != "server" || !slices.Contains(words, "ssl"):
		case slices.Contains(option(words, "ktls"), "on"):
			with++
		default:
			without++
		}
	})
	return with, without, odd
}

package facts

import (
	"cmp"
	"path"
	"strings"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// opensslDir finds the configuration that the library reads: the one that OPENSSL_CONF
// names, none if that is empty, else the one in the library's built-in directory; "" if
// the library does not name one.
func (s *scene) opensslDir(dir string) {
	named, set := s.env["OPENSSL_CONF"]
	file := path.Join(dir, "openssl.cnf")
	switch {
	case set && named == "":
		s.p.OpenSSL = &doctor.Setting{Unread: doctor.Missing}
		return
	case set:
		file = s.fromCwd(named)
	case dir == "":
		return
	}
	s.p.OpenSSL = &doctor.Setting{File: file}
	c := s.conf()
	if err := c.load(file, 0); err != nil {
		c.failed = err
	}
	is := c.ktls()
	if c.failed != nil {
		s.p.OpenSSL.Unread = reason(c.failed)
		return
	}
	s.p.OpenSSL.KTLS = is
}

// maxIncludes limits how deep files include others.
const maxIncludes = 8

// confFile is a configuration as config(5ssl) describes it, as far as finding an option
// needs it: sections of names and values, and included files.
type confFile struct {
	*jail
	sections map[string][]pair
	section  string
}

type pair struct{ name, value string }

func (s *scene) conf() *confFile { return newConf(s.jail()) }

func newConf(in *jail) *confFile {
	return &confFile{jail: in, sections: map[string][]pair{}, section: "default"}
}

func (c *confFile) load(name string, depth int) error {
	b, err := c.readFile(name)
	if err != nil {
		return err
	}
	text := strings.TrimPrefix(string(b), "\ufeff")
	joined := strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n", "")
	lines([]byte(joined), func(l string) { c.line(l, depth) })
	return nil
}

// line adds a line. It notes text that it does not understand.
func (c *confFile) line(l string, depth int) {
	l, _, _ = strings.Cut(l, "#")
	l = strings.TrimSpace(l)
	name, value, pairs := strings.Cut(l, "=")
	switch {
	case l == "":
	case strings.HasPrefix(l, ".include"):
		name := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(l, ".include")), "="))
		if !path.IsAbs(name) || strings.Contains(name, "$") { // it depends on the environment, and on the directory of the program's start
			c.note(errOdd)
			return
		}
		if depth >= maxIncludes {
			c.note(errTooMuch)
			return
		}
		c.include(name, depth)
	case strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]"):
		c.section = strings.TrimSpace(l[1 : len(l)-1])
	case l[0] == '[' || l[0] == '.' || !pairs:
		c.note(errOdd)
	default:
		c.set(strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"'`))
	}
}

// include adds a file, or the files of a directory.
func (c *confFile) include(name string, depth int) {
	files, is := c.within(name, ".cnf", ".conf")
	if !is {
		files = []string{name}
	}
	for _, f := range files {
		_ = c.load(f, depth+1) // the jail notes what cannot be read
	}
}

func (c *confFile) set(name, value string) {
	section := c.section
	if a, b, ok := strings.Cut(name, "::"); ok {
		section, name = a, b
	}
	c.sections[section] = append(c.sections[section], pair{name, value})
}

// plain is a value that contains nothing to expand.
func (c *confFile) plain(value string) string {
	if strings.ContainsAny(value, "$\\\"'`") {
		c.note(errOdd)
	}
	return value
}

// value returns the last value of a name.
func (c *confFile) value(section, name string) (value string) {
	for _, p := range c.sections[section] {
		if p.name == name {
			value = c.plain(p.value)
		}
	}
	return value
}

// ktls follows openssl_conf, ssl_conf and system_default to Options. OpenSSL stops at
// the first module that it cannot set up.
func (c *confFile) ktls() doctor.Tri {
	for _, module := range c.sections[c.value("default", "openssl_conf")] {
		section := c.plain(module.value)
		name, _, _ := strings.Cut(module.name, ".")
		if name == "ssl_conf" {
			return c.options(c.value(section, "system_default"))
		}
		if c.sections[section] == nil {
			c.note(errOdd)
		}
	}
	return doctor.Unset
}

// options are commands of SSL_CONF_cmd(3ssl), whose case does not matter. A number and a
// dot in front may make them distinct.
func (c *confFile) options(section string) (is doctor.Tri) {
	for _, p := range c.sections[section] {
		name := p.name[strings.IndexByte(p.name, '.')+1:]
		if strings.EqualFold(name, "Options") {
			is = cmp.Or(ktlsOption(c.plain(p.value)), is)
		}
	}
	return is
}

// gnutls reads the system-wide configuration of GnuTLS.
func (s *scene) gnutls() *doctor.Setting {
	set := doctor.Setting{File: "/etc/gnutls/config"}
	if named, is := s.env["GNUTLS_SYSTEM_PRIORITY_FILE"]; is && named == "" {
		set.Unread = "GNUTLS_SYSTEM_PRIORITY_FILE is empty"
		return &set
	} else if is {
		set.File = s.fromCwd(named)
	}
	c := s.conf()
	if err := cmp.Or(c.load(set.File, 0), c.failed); err != nil {
		if reason(err) != doctor.Missing { // without the file nothing is switched on
			set.Unread = reason(err)
		}
		return &set
	}
	for section, pairs := range c.sections {
		for _, p := range pairs {
			if strings.EqualFold(section, "global") && strings.EqualFold(p.name, "ktls") {
				set.KTLS = map[string]doctor.Tri{"true": doctor.Yes, "false": doctor.No}[strings.ToLower(p.value)]
			}
		}
	}
	return &set
}

package facts

import (
	"cmp"
	"path"
	"strings"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// opensslDir notes which configuration the library reads: that of OPENSSL_CONF, or the
// one in the directory that it was built for, "" where the library does not say.
func (s *scene) opensslDir(dir string) {
	file := path.Join(dir, "openssl.cnf")
	if named := s.env["OPENSSL_CONF"]; named != "" {
		file = s.fromCwd(named)
	} else if dir == "" {
		return
	}
	set := doctor.Setting{File: file}
	c := s.conf()
	if err := cmp.Or(c.load(file, 0), c.failed); err != nil {
		set.Unread = reason(err)
	} else {
		set.KTLS = c.ktls()
	}
	s.p.OpenSSL = &set
}

// maxIncludes bounds how deep files include others.
const maxIncludes = 8

// confFile is a configuration as config(5ssl) describes it, as far as it takes to find
// an option: sections of names and values, and files that are included.
type confFile struct {
	*jail
	sections map[string]map[string]string
	section  string
}

func (s *scene) conf() *confFile {
	return &confFile{jail: s.jail(), sections: map[string]map[string]string{}}
}

func (c *confFile) load(name string, depth int) error {
	b, err := c.readFile(name)
	if err != nil {
		return err
	}
	joined := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\\\n", "")
	lines([]byte(joined), func(l string) { c.line(path.Dir(name), l, depth) })
	return nil
}

func (c *confFile) line(dir, l string, depth int) {
	l, _, _ = strings.Cut(l, "#")
	l = strings.TrimSpace(l)
	switch {
	case strings.HasPrefix(l, ".include"):
		name := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(l, ".include")), "="))
		if !path.IsAbs(name) {
			name = path.Join(dir, name)
		}
		if depth >= maxIncludes {
			c.note(errTooMuch)
			return
		}
		c.include(name, depth)
	case strings.HasPrefix(l, "[") && strings.HasSuffix(l, "]"):
		c.section = strings.TrimSpace(l[1 : len(l)-1])
	default:
		if name, value, ok := strings.Cut(l, "="); ok {
			c.set(strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"'`))
		}
	}
}

// include takes a file, or those in a directory.
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
	if c.sections[section] == nil {
		c.sections[section] = map[string]string{}
	}
	c.sections[section][name] = value
}

// ktls follows openssl_conf, ssl_conf and system_default to Options.
func (c *confFile) ktls() (is doctor.Tri) {
	ssl := c.sections[c.sections[""]["openssl_conf"]]["ssl_conf"]
	options := c.sections[c.sections[ssl]["system_default"]]["Options"]
	for _, o := range strings.Split(options, ",") {
		switch strings.ToLower(strings.TrimSpace(o)) {
		case "ktls", "+ktls":
			is = doctor.Yes
		case "-ktls":
			is = doctor.No
		}
	}
	return is
}

// gnutls reads the system-wide configuration of GnuTLS.
func (s *scene) gnutls() *doctor.Setting {
	set := doctor.Setting{File: "/etc/gnutls/config"}
	if named := s.env["GNUTLS_SYSTEM_PRIORITY_FILE"]; named != "" {
		set.File = s.fromCwd(named)
	}
	c := s.conf()
	if err := cmp.Or(c.load(set.File, 0), c.failed); err != nil {
		if reason(err) != doctor.Missing { // without the file nothing is switched on
			set.Unread = reason(err)
		}
		return &set
	}
	switch c.sections["global"]["ktls"] {
	case "true":
		set.KTLS = doctor.Yes
	case "false":
		set.KTLS = doctor.No
	}
	return &set
}

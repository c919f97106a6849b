package facts

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// traits are the facts found in the bytes of a program or a library.
type traits struct {
	openssl, opensslDir string
	sslInside           bool // the part that implements TLS, not only crypto
	gnutls              string
	gnutlsULP           bool
	boringssl, awslc    bool
	rustls              string
	goTLS, goKTLS       bool
	goVersion           string
	nginx               string
	nginxConf           string // as it was configured, and the directory that names are relative to
	nginxPrefix         string
	haproxy             string
	haproxyKTLS         doctor.Tri
}

// gnutlsKTLS: the error of a refused TCP_ULP is in a library that asks for it.
func (t *traits) gnutlsKTLS() doctor.Tri {
	switch {
	case t.gnutls == "":
		return doctor.Unset
	case t.gnutlsULP:
		return doctor.Yes
	}
	return doctor.No
}

// fileID identifies a file and its version.
type fileID struct {
	dev, ino     uint64
	size, change int64
}

// maxProgram is how much of a program is searched.
const maxProgram = 512 << 20

// traitsOf searches a file once, and closes it; a file that could not be opened has no
// traits.
func (r *Reader) traitsOf(f *os.File, err error) traits {
	if err != nil {
		return traits{}
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return traits{}
	}
	id := fileID{st.Dev, st.Ino, st.Size, st.Mtim.Nano()}
	t, known := r.files[id]
	if !known {
		t = search(io.LimitReader(f, maxProgram))
		if t.goTLS {
			t.build(f)
		}
		r.files[id] = t
	}
	return t
}

// build reads the version of Go that built a program.
func (t *traits) build(f *os.File) {
	info, err := buildinfo.Read(f)
	if err != nil {
		return
	}
	t.goVersion = strings.TrimPrefix(info.GoVersion, "go")
}

// mark is a text in a file, and the trait that it shows. after is the text that is read
// after it.
type mark struct {
	text string
	take func(t *traits, after string)
}

var (
	versionText = regexp.MustCompile(`^[0-9]+\.[0-9]+[0-9A-Za-z.+~-]*`)
	dateBehind  = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+~-]* +[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}`)
	rustlsPath  = regexp.MustCompile(`^([0-9]+\.[0-9]+\.[0-9]+)/src/`)
)

func version(s string) string { return versionText.FindString(s) }

// until is s up to a byte, "" if s does not have it.
func until(s string, end string) string {
	s, _, found := strings.Cut(s, end)
	if !found {
		return ""
	}
	return s
}

// argument is s up to the end of a word of a command line.
func argument(s string) string { return s[:max(0, strings.IndexAny(s, " '\x00"))] }

var marks = []mark{
	{"OpenSSL ", func(t *traits, s string) { // as "OpenSSL 3.0.22 4 Nov 2026"
		if t.openssl == "" && dateBehind.MatchString(s) {
			t.openssl = version(s)
		}
	}},
	{"OPENSSLDIR: \"", func(t *traits, s string) { t.opensslDir = until(s, `"`) }},
	{"ssl/statem/", func(t *traits, _ string) { t.sslInside = true }}, // of its own source, in error messages
	{"Enabled GnuTLS ", func(t *traits, s string) { t.gnutls = version(s) }},
	{"Unable to set TCP_ULP for", func(t *traits, _ string) { t.gnutlsULP = true }},
	{"(compatible; BoringSSL", func(t *traits, _ string) { t.boringssl = true }}, // the text that OpenSSL_version returns
	{"boringssl/src/ssl/", func(t *traits, _ string) { t.boringssl = true }},
	{"(compatible; AWS-LC", func(t *traits, _ string) { t.awslc = true }},
	{"/rustls-", func(t *traits, s string) {
		if m := rustlsPath.FindStringSubmatch(s); m != nil {
			t.rustls = m[1]
		}
	}},
	{"crypto/tls.(*Conn).", func(t *traits, _ string) { t.goTLS = true }}, // names of functions, stripped or not
	{"/ktls.(", func(t *traits, _ string) { t.goKTLS = true }},            // of a package with that name
	{"nginx/", func(t *traits, s string) {
		if v := version(s); t.nginx == "" && strings.Count(v, ".") == 2 {
			t.nginx = v
		}
	}},
	{"--conf-path=", func(t *traits, s string) { t.nginxConf = cmp.Or(t.nginxConf, argument(s)) }},
	{"--prefix=", func(t *traits, s string) { t.nginxPrefix = cmp.Or(t.nginxPrefix, argument(s)) }},
	{"HAProxy version ", func(t *traits, s string) { t.haproxy = version(s) }},
	{"+EPOLL", func(t *traits, s string) { // its list of features, as "+EPOLL -KQUEUE +KTLS"
		switch {
		case strings.Contains(s, " +KTLS"):
			t.haproxyKTLS = doctor.Yes
		case strings.Contains(s, "-KQUEUE") || strings.Contains(s, " +"):
			t.haproxyKTLS = doctor.No
		}
	}},
}

const (
	chunk   = 1 << 20
	overlap = 2 << 10 // enough for a mark and the text after it
)

// search reads all marks of a file.
func search(r io.Reader) (t traits) {
	buf := make([]byte, 0, chunk+overlap)
	for {
		n, err := io.ReadFull(r, buf[len(buf):len(buf)+chunk])
		buf = buf[:len(buf)+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		for i := range marks {
			marks[i].find(&t, buf, last)
		}
		if err != nil {
			return t
		}
		buf = append(buf[:0], buf[len(buf)-overlap:]...)
	}
}

// find handles each occurrence of the mark in b; near the end of b only if no more
// follows.
func (m *mark) find(t *traits, b []byte, last bool) {
	for off := 0; ; {
		i := bytes.Index(b[off:], []byte(m.text))
		if i < 0 {
			return
		}
		off += i + len(m.text)
		if !last && off+overlap/2 > len(b) {
			return // the next piece has it complete
		}
		m.take(t, string(b[off:min(len(b), off+overlap/2)]))
	}
}

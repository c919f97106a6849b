package facts

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// Reader examines processes, and remembers the contents of their files.
type Reader struct {
	Root
	files map[fileID]traits
}

// NewReader reads below root.
func NewReader(root Root) *Reader { return &Reader{root, map[fileID]traits{}} }

// PIDs are the numbers of all processes, in order.
func (r Root) PIDs() []int { return slices.Sorted(slices.Values(r.pids())) }

// Comm is a process's name, "" if it is gone.
func (r Root) Comm(pid int) string { return r.word("proc", strconv.Itoa(pid), "comm") }

// Started is the time when a process was started, in ticks since boot; 0 if it is gone.
func (r Root) Started(pid int) uint64 {
	stat := r.read("proc", strconv.Itoa(pid), "stat")
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // its name can contain anything
	if len(fields) < 20 {
		return 0
	}
	started, _ := strconv.ParseUint(fields[19], 10, 64) // of whose first is the third of proc_pid_stat(5)
	return started
}

// Process examines a process. With deep, it searches the program for a library that is
// linked in, which reads the whole file. An error means that the process is gone, or
// belongs to another user.
func (r *Reader) Process(pid int, deep bool) (doctor.Process, error) {
	p, err := r.process(pid, deep)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Unread = "it is gone, or a thread of the kernel"
	case err != nil:
		p.Unread = reason(err)
	}
	return p, err
}

func (r *Reader) process(pid int, deep bool) (doctor.Process, error) {
	id := strconv.Itoa(pid)
	p := doctor.Process{PID: pid, Started: r.Started(pid), Comm: r.word("proc", id, "comm"), NetNS: r.nsInode(id, "net"), Libraries: []doctor.Library{}}
	if p.Comm == "" && !r.exists("proc", id) {
		return p, fs.ErrNotExist
	}
	status := r.status(id)
	p.MayLoad = r.mayLoad(id, status)
	p.Seccomp = status["Seccomp"] == "2"
	exe, err := os.Readlink(r.path("proc", id, "exe"))
	if err != nil {
		return p, err
	}
	p.Exe = exe
	b, err := readFile(r.path("proc", id, "maps"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	s := scene{Reader: r, pid: id, viewer: id, p: &p, env: r.environ(id), ranges: map[string]string{}}
	s.look(status["PPid"])
	s.mapped(b)
	if deep && len(p.Libraries) == 0 || isServer(p.Exe) {
		s.program()
	}
	s.settings(status["PPid"])
	if len(b) == maxFile { // there may be others in the rest
		return p, errTooMuch
	}
	return p, nil
}

func (r Root) status(pid string) map[string]string {
	found := map[string]string{}
	lines(r.read("proc", pid, "status"), func(l string) {
		name, value, _ := strings.Cut(l, ":")
		found[name] = strings.TrimSpace(value)
	})
	return found
}

func (r Root) environ(pid string) map[string]string {
	found := map[string]string{}
	for _, v := range strings.Split(string(r.read("proc", pid, "environ")), "\x00") {
		if name, value, ok := strings.Cut(v, "="); ok {
			found[name] = value
		}
	}
	return found
}

// scene is a process being examined.
type scene struct {
	*Reader
	pid    string
	p      *doctor.Process
	env    map[string]string
	ranges map[string]string // files that are mapped, and where
	prefix string            // the prefix that nginx was built with
	// viewer is the process whose root and directory are used to find files. lost: no
	// process still sees what this one has read.
	viewer string
	lost   bool
}

// look finds the viewer. A process that changes its root has read its configuration
// before; its parent, if that runs the same program, has not changed its own root
// (HAProxy's chroot).
func (s *scene) look(parent string) {
	if !s.changedRoot(s.pid) {
		return
	}
	same := func(a, b string) bool {
		x, err := os.Stat(s.path("proc", a, "exe"))
		y, err2 := os.Stat(s.path("proc", b, "exe"))
		return err == nil && err2 == nil && os.SameFile(x, y)
	}
	if same(s.pid, parent) && !s.changedRoot(parent) {
		s.viewer = parent
	} else {
		s.lost = true
	}
}

// changedRoot reports whether its program is outside its root. The kernel shows both
// links as the reading process sees them.
func (r Root) changedRoot(pid string) bool {
	root, err := os.Readlink(r.path("proc", pid, "root"))
	exe, err2 := os.Readlink(r.path("proc", pid, "exe"))
	return err == nil && err2 == nil && root != string(r) && !strings.HasPrefix(exe, root+"/")
}

// jail is the file system that the process sees, or saw when it started.
func (s *scene) jail() *jail {
	j := &jail{root: s.path("proc", s.viewer, "root"), remaining: maxJail}
	if s.lost {
		j.barred = errChroot
	}
	return j
}

// open opens a file that the process has mapped: through the link exe or the mapping,
// which needs rights, or by its name, which may now be another file's.
func (s *scene) open(file string) (*os.File, error) {
	if file == s.p.Exe {
		return openFile(s.path("proc", s.pid, "exe"))
	}
	if f, err := openFile(s.path("proc", s.pid, "map_files", s.ranges[file])); err == nil {
		return f, nil
	}
	return s.jail().open(file, unix.S_IFREG)
}

// mapped finds libraries by the names of the mapped files.
func (s *scene) mapped(list []byte) {
	lines(list, func(l string) {
		i := strings.IndexByte(l, '/')
		if i < 0 {
			return
		}
		file := strings.TrimSuffix(l[i:], " (deleted)")
		if _, seen := s.ranges[file]; !seen {
			s.ranges[file] = mapping(l)
			s.library(file)
		}
	})
	s.cryptoVersion()
}

// mapping is the name in map_files of a line of maps, which pads numbers with zeros.
func mapping(l string) string {
	at, _, _ := strings.Cut(l, " ")
	begin, end, _ := strings.Cut(at, "-")
	return strings.TrimLeft(begin, "0") + "-" + strings.TrimLeft(end, "0")
}

func (s *scene) library(file string) {
	base := path.Base(file)
	switch {
	case strings.HasPrefix(base, "libssl.so") || strings.HasPrefix(base, "libssl-"): // Python's wheels: libssl-1a2b3c.so.3
		s.add(doctor.Library{Name: doctor.OpenSSL, File: file})
	case strings.HasPrefix(base, "libgnutls.so") || strings.HasPrefix(base, "libgnutls-"):
		if s.p.Library(doctor.GnuTLS) == nil {
			t := s.traitsOf(s.open(file))
			s.add(doctor.Library{Name: doctor.GnuTLS, File: file, Version: t.gnutls, KTLS: t.gnutlsKTLS()})
		}
	case base == "libjvm.so":
		s.add(doctor.Library{Name: doctor.Java, File: file, Version: s.javaVersion(file)})
	}
}

func (s *scene) add(l doctor.Library) {
	for _, have := range s.p.Libraries {
		if have.Name == l.Name {
			return
		}
	}
	s.p.Libraries = append(s.p.Libraries, l)
}

// cryptoVersion: libssl does not contain its version, libcrypto beside it does. A
// BoringSSL may have the same name.
func (s *scene) cryptoVersion() {
	for i := range s.p.Libraries {
		l := &s.p.Libraries[i]
		if l.Name != doctor.OpenSSL {
			continue
		}
		if file := s.libcrypto(path.Dir(l.File)); file != "" {
			t := s.traitsOf(s.open(file))
			l.Version = t.openssl
			s.opensslDir(t.opensslDir)
			if t.openssl == "" && t.boringssl {
				l.Name = doctor.BoringSSL
			}
		}
	}
}

// libcrypto is the file of that library in dir, or else the only one; "" if it is not
// known which one.
func (s *scene) libcrypto(dir string) string {
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(s.ranges)), func(file string) bool {
		base := path.Base(file)
		return !strings.HasPrefix(base, "libcrypto.so") && !strings.HasPrefix(base, "libcrypto-")
	})
	beside := slices.DeleteFunc(slices.Clone(all), func(file string) bool { return path.Dir(file) != dir })
	switch {
	case len(beside) == 1:
		return beside[0]
	case len(all) == 1:
		return all[0]
	}
	return ""
}

// javaVersion is in a file beside lib (JEP 220).
func (s *scene) javaVersion(jvm string) (version string) {
	home := path.Dir(path.Dir(path.Dir(jvm)))
	b, _ := s.jail().readFile(path.Join(home, "release"))
	lines(b, func(l string) {
		if v, ok := strings.CutPrefix(l, "JAVA_VERSION="); ok {
			version = strings.Trim(v, `"`)
		}
	})
	return version
}

// program searches the program itself for a library.
func (s *scene) program() {
	t := s.traitsOf(openFile(s.path("proc", s.pid, "exe")))
	if isServer(s.p.Exe) && (t.nginx != "" || t.haproxy != "") {
		s.p.Server = &doctor.Server{Product: "nginx", Version: t.nginx}
		if path.Base(s.p.Exe) == "haproxy" {
			s.p.Server = &doctor.Server{Product: "HAProxy", Version: t.haproxy, Built: t.haproxyKTLS}
		}
		s.p.Server.File, s.prefix = t.nginxConf, t.nginxPrefix
	}
	if len(s.p.Libraries) > 0 {
		return
	}
	static := func(name, version string) {
		s.add(doctor.Library{Name: name, Version: version, File: s.p.Exe, Static: true})
	}
	switch {
	case t.goTLS:
		static(doctor.GoTLS, t.goVersion)
		s.p.Own = t.goKTLS
	case t.rustls != "":
		static(doctor.Rustls, t.rustls)
	case t.awslc:
		static(doctor.AWSLC, "")
	case t.openssl != "" && t.sslInside:
		static(doctor.OpenSSL, t.openssl)
	case t.boringssl:
		static(doctor.BoringSSL, "")
	case t.gnutls != "":
		s.add(doctor.Library{Name: doctor.GnuTLS, Version: t.gnutls, File: s.p.Exe, Static: true, KTLS: t.gnutlsKTLS()})
	}
}

func isServer(exe string) bool {
	base := path.Base(strings.TrimSuffix(exe, " (deleted)"))
	return base == "nginx" || base == "haproxy"
}

// settings reads the configuration of the libraries and of the server.
func (s *scene) settings(parent string) {
	if l := s.p.Library(doctor.OpenSSL); l != nil && !l.Static && s.p.OpenSSL == nil {
		s.opensslDir("")
	}
	if l := s.p.Library(doctor.GnuTLS); l != nil {
		s.p.GnuTLS = s.gnutls()
	}
	if s.p.Server == nil {
		return
	}
	words := s.commandLine(s.pid)
	if s.p.Server.Product == "nginx" {
		if strings.HasPrefix(strings.Join(words, " "), "nginx: worker") {
			words = s.commandLine(parent)
		}
		s.nginx(words)
		return
	}
	s.haproxy(words)
}

// commandLine splits at spaces too, because programs that show a title overwrite their
// words with it.
func (s *scene) commandLine(pid string) []string {
	b := s.read("proc", pid, "cmdline")
	return strings.FieldsFunc(string(b[:min(len(b), 64<<10)]), func(r rune) bool { return r == 0 || r == ' ' })
}

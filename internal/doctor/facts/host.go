package facts

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// Host examines the kernel and its environment. It adds to notSeen what it could not
// examine.
func (r Root) Host(notSeen *[]string) doctor.Host {
	h := doctor.Host{Kernel: r.word("proc/sys/kernel/osrelease")}
	modules := r.modules(h.Kernel)
	if h.TLS = r.tls(modules); h.TLS == doctor.SupportUnknown {
		*notSeen = append(*notSeen, "whether this kernel has kernel TLS: neither its configuration nor a list of its modules is there")
	}
	h.NoModules = r.word("proc/sys/kernel/modules_disabled") == "1"
	h.Ciphers = r.ciphers(modules)
	if r.exists("sys/kernel") {
		h.BTF = presence(r.exists("sys/kernel/btf/vmlinux"))
	}
	if h.TLS == doctor.Present && r.exists("sys/module/tls/initstate") { // modules have their own
		h.ModuleBTF = presence(r.exists("sys/kernel/btf/tls"))
	}
	h.Symbols = r.symbols()
	h.FIPS = r.word("proc/sys/crypto/fips_enabled") == "1"
	h.Mounts, h.Tlshd = append([]string{}, r.mounts()...), r.runs("tlshd")
	h.Namespaces = append([]doctor.Namespace{}, r.namespaces(notSeen)...)
	return h
}

func presence(is bool) doctor.Support {
	if is {
		return doctor.Present
	}
	return doctor.Absent
}

// modules returns for a module's name whether the module is loaded, can be loaded, or is
// built into the kernel; Unknown for all if the kernel's list of modules is missing.
type modules struct {
	root    Root
	release string
	files   map[string]doctor.Support
}

func (r Root) modules(release string) modules {
	m := modules{root: r, release: release, files: map[string]doctor.Support{}}
	dir := path.Join("lib/modules", release)
	lines(r.read(dir, "modules.dep"), func(l string) {
		name, _, _ := strings.Cut(l, ":")
		m.files[moduleName(name)] = doctor.Loadable
	})
	lines(r.read(dir, "modules.builtin"), func(l string) { m.files[moduleName(l)] = doctor.Present })
	return m
}

func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

func (m modules) state(name string) doctor.Support {
	if m.root.exists("sys/module", name) {
		return doctor.Present
	}
	if s, known := m.files[name]; known {
		return s
	}
	if len(m.files) == 0 {
		return doctor.SupportUnknown
	}
	return doctor.Absent
}

// tls: the list of available protocols is that of the first network namespace, and other
// namespaces have none; counters are in all.
func (r Root) tls(m modules) doctor.Support {
	if r.exists("proc/net/tls_stat") || strings.Contains(" "+r.word("proc/sys/net/ipv4/tcp_available_ulp")+" ", " tls ") {
		return doctor.Present
	}
	if s := m.state("tls"); s != doctor.SupportUnknown {
		return s
	}
	return r.configured(m.release)
}

// configured returns what the kernel's configuration says, if it can be read. For a
// module the configuration does not say whether it is installed.
func (r Root) configured(release string) (is doctor.Support) {
	text := gunzip(r.read("proc/config.gz"))
	if text == nil {
		text = r.read("boot", "config-"+release)
	}
	lines(text, func(l string) {
		switch l {
		case "CONFIG_TLS=y":
			is = doctor.Present
		case "# CONFIG_TLS is not set":
			is = doctor.Absent
		}
	})
	return is
}

// gunzip decompresses at most as much as is read of a file.
func gunzip(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(z, maxFile)) // a broken file counts as far as it can be read
	return text
}

// ciphers that libraries hand over by default, as /proc/crypto names them.
var ciphers = []struct{ name, module, algorithm string }{
	{"AES-GCM", "gcm", "gcm(aes)"},
	{"CHACHA20-POLY1305", "chacha20poly1305", "rfc7539(chacha20,poly1305)"},
}

// ciphers: the kernel loads a cipher that is not registered yet at its first key.
func (r Root) ciphers(m modules) (found []doctor.Cipher) {
	registered := map[string]bool{}
	lines(r.read("proc/crypto"), func(l string) {
		if name, ok := strings.CutPrefix(l, "name"); ok {
			_, name, _ = strings.Cut(name, ":")
			registered[strings.TrimSpace(name)] = true
		}
	})
	for _, c := range ciphers {
		state := m.state(c.module)
		if registered[c.algorithm] {
			state = doctor.Present
		}
		found = append(found, doctor.Cipher{Name: c.name, Module: c.module, State: state})
	}
	return found
}

// symbols: the kernel shows zeros to users who may not see addresses.
func (r Root) symbols() doctor.Tri {
	b := r.read("proc/kallsyms")
	if len(b) == 0 {
		return doctor.Unset
	}
	first, _, _ := strings.Cut(string(b[:min(len(b), 256)]), " ")
	if strings.Trim(first, "0") != "" {
		return doctor.Yes
	}
	// The first symbol of some kernels is at address 0.
	rest := string(b)
	for range 100 {
		var l string
		l, rest, _ = strings.Cut(rest, "\n")
		address, _, _ := strings.Cut(l, " ")
		if strings.Trim(address, "0") != "" {
			return doctor.Yes
		}
	}
	if os.Geteuid() != 0 || r.nsInode("self", "user") != initialUserNS { // root may see them
		return doctor.Unset
	}
	return doctor.No
}

// mounts lists the NFS mounts with TLS.
func (r Root) mounts() (found []string) {
	lines(r.read("proc/self/mounts"), func(l string) {
		f := strings.Fields(l)
		if len(f) < 4 || !strings.HasPrefix(f[2], "nfs") {
			return
		}
		for _, o := range strings.Split(f[3], ",") {
			if o == "xprtsec=tls" || o == "xprtsec=mtls" {
				found = append(found, f[1])
			}
		}
	})
	return found
}

func (r Root) runs(comm string) bool {
	for _, pid := range r.pids() {
		if r.word("proc", strconv.Itoa(pid), "comm") == comm {
			return true
		}
	}
	return false
}

// namespaces reads the counters of each network namespace that a process is in.
func (r Root) namespaces(notSeen *[]string) (found []doctor.Namespace) {
	seen := map[uint32]bool{}
	hidden, pids := 0, r.pids()
	if len(pids) == 0 {
		*notSeen = append(*notSeen, "processes, their sockets, libraries and configuration: /proc shows none")
	}
	for _, pid := range pids {
		p := strconv.Itoa(pid)
		inode := r.nsInode(p, "net")
		if inode == 0 {
			if _, err := os.Readlink(r.path("proc", p, "ns/net")); os.IsPermission(err) {
				hidden++
			}
			continue
		}
		if seen[inode] {
			continue
		}
		seen[inode] = true
		found = append(found, doctor.Namespace{Inode: inode, Stat: stat(r.read("proc", p, "net/tls_stat"))})
	}
	if hidden > 0 {
		*notSeen = append(*notSeen, processes(hidden)+", their sockets, libraries and configuration: "+r.missing(unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"))
	}
	return found
}

func stat(b []byte) map[string]uint64 {
	found := map[string]uint64{}
	lines(b, func(l string) {
		if f := strings.Fields(l); len(f) == 2 {
			if n, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				found[f[0]] = n
			}
		}
	})
	return found
}

// initialUserNS is the number of the first user namespace (PROC_USER_INIT_INO).
const initialUserNS = 0xEFFFFFFD

// mayLoad: CAP_NET_ADMIN, effective, in the initial user namespace.
func (r Root) mayLoad(pid string, status map[string]string) doctor.Tri {
	eff, err := strconv.ParseUint(status["CapEff"], 16, 64)
	ns := r.nsInode(pid, "user")
	switch {
	case err != nil:
		return doctor.Unset
	case eff&(1<<unix.CAP_NET_ADMIN) == 0:
		return doctor.No
	case ns == 0:
		return doctor.Unset
	case ns != initialUserNS:
		return doctor.No
	}
	return doctor.Yes
}

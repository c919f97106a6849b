package facts

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// tree makes files below a new root; a content that begins with -> is a link.
func tree(t *testing.T, files map[string]string) Root {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, link := strings.CutPrefix(content, "->"); link {
			err = os.Symlink(strings.ReplaceAll(to, "ROOT", dir), file)
		} else {
			err = os.WriteFile(file, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Root(dir)
}

func TestHost(t *testing.T) {
	r := tree(t, map[string]string{
		"proc/sys/kernel/osrelease": "6.1.0\n", "proc/sys/kernel/modules_disabled": "0\n", "proc/sys/crypto/fips_enabled": "1\n",
		"lib/modules/6.1.0/modules.dep":     "kernel/net/tls/tls.ko.xz: \nkernel/crypto/chacha20poly1305.ko: kernel/x.ko\n",
		"lib/modules/6.1.0/modules.builtin": "kernel/crypto/gcm.ko\n", "sys/kernel/btf/vmlinux": "", "proc/kallsyms": "ffffffff81000000 T _text\n",
		"proc/self/mounts": "srv:/ /mnt nfs4 rw,xprtsec=tls,vers=4.2 0 0\nx /y nfs rw 0 0\n",
		"proc/9/comm":      "tlshd\n", "proc/9/ns/net": "->net:[77]", "proc/9/net/tls_stat": "TlsCurrTxSw 3\nTlsDecryptError 1\nbad\n",
	})
	var notSeen []string
	h := r.Host(&notSeen)
	if h.Kernel != "6.1.0" || h.TLS != doctor.Loadable || !h.FIPS || h.BTF != doctor.Present || h.Symbols != doctor.Yes || !h.Tlshd || len(notSeen) != 0 {
		t.Errorf("%+v, %q", h, notSeen)
	}
	if len(h.Ciphers) != 2 || h.Ciphers[0].State != doctor.Present || h.Ciphers[1].State != doctor.Loadable {
		t.Errorf("ciphers %+v", h.Ciphers)
	}
	if len(h.Mounts) != 1 || h.Mounts[0] != "/mnt" || len(h.Namespaces) != 1 || h.Namespaces[0].Inode != 77 || h.Namespaces[0].Stat["TlsDecryptError"] != 1 {
		t.Errorf("%+v", h)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  doctor.Support
	}{
		"nothing is known":        {nil, doctor.SupportUnknown},
		"a module, or so":         {map[string]string{"proc/config.gz": gzipped("CONFIG_TLS=m\n")}, doctor.SupportUnknown},
		"built without":           {map[string]string{"proc/config.gz": gzipped("CONFIG_X=y\n# CONFIG_TLS is not set\n")}, doctor.Absent},
		"built without, by /boot": {map[string]string{"proc/sys/kernel/osrelease": "6.1.0", "boot/config-6.1.0": "# CONFIG_TLS is not set\n"}, doctor.Absent},
		"built in, it says":       {map[string]string{"proc/config.gz": gzipped("CONFIG_TLS=y\n")}, doctor.Present},
		"installed, it says":      {map[string]string{"proc/sys/kernel/osrelease": "6.1.0", "lib/modules/6.1.0/modules.dep": "a/tls.ko:\n", "proc/config.gz": "garbage"}, doctor.Loadable},
		"no such module":          {map[string]string{"proc/sys/kernel/osrelease": "6.1.0", "lib/modules/6.1.0/modules.dep": "kernel/a.ko:\n"}, doctor.Absent},
		"loaded":                  {map[string]string{"sys/module/tls/initstate": "live"}, doctor.Present},
		"built in":                {map[string]string{"proc/sys/net/ipv4/tcp_available_ulp": "espintcp tls mptcp\n"}, doctor.Present},
		"another's name":          {map[string]string{"proc/sys/net/ipv4/tcp_available_ulp": "mytls\n"}, doctor.SupportUnknown},
	} {
		var notSeen []string
		if got := tree(t, c.files).Host(&notSeen).TLS; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if said := strings.Contains(strings.Join(notSeen, "\n"), "whether this kernel has kernel TLS"); said != (c.want == doctor.SupportUnknown) {
			t.Errorf("%s: not seen is %q", name, notSeen)
		}
	}
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // writing to a Buffer never fails
	z.Close()
	return b.String()
}

// Root gets no hint to be root.
func TestLacks(t *testing.T) {
	for caps, want := range map[string]string{"0000000000000000": "lacks CAP_SYS_PTRACE", "000001ffffffffff": "not allowed"} {
		if os.Geteuid() != 0 {
			want = "run as root"
		}
		r := tree(t, map[string]string{"proc/self/status": "CapEff:\t" + caps + "\n"})
		if got := r.missing(unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", caps, got, want)
		}
	}
}

// If something is not mounted, nothing was examined, and nothing is absent.
func TestNothingIsMounted(t *testing.T) {
	var notSeen []string
	h := tree(t, nil).Host(&notSeen)
	if h.BTF != doctor.SupportUnknown || h.Symbols != doctor.Unset || !strings.Contains(strings.Join(notSeen, "\n"), "/proc shows none") {
		t.Errorf("%+v, %q", h, notSeen)
	}
	if h := tree(t, map[string]string{"sys/kernel/x": ""}).Host(new([]string)); h.BTF != doctor.Absent {
		t.Errorf("%+v", h)
	}
	for user, want := range map[string]doctor.Tri{"user:[4026531837]": doctor.No, "user:[4026532000]": doctor.Unset} {
		if os.Geteuid() != 0 {
			want = doctor.Unset
		}
		zeros := strings.Repeat("0000000000000000 T a\n", 200)
		if h := tree(t, map[string]string{"proc/kallsyms": zeros, "proc/self/ns/user": "->" + user}).Host(new([]string)); h.Symbols != want {
			t.Errorf("%s: %v, want %v", user, h.Symbols, want)
		}
	}
}

const libcrypto = "\x00OpenSSL 3.0.22 4 Nov 2026\x00OPENSSLDIR: \"/usr/lib/ssl\"\x00OpenSSL default\x00"

const switchedOn = "openssl_conf = a\n[a]\nssl_conf = b # sections\n[ b ]\nsystem_default = c\n[c]\nOptions = ServerPreference, KTLS\n"

// program is the process with the number 7.
func program(t *testing.T, files map[string]string) doctor.Process {
	t.Helper()
	all := map[string]string{
		"proc/7/comm": "prog\n", "proc/7/exe": "->ROOT/usr/bin/prog", "proc/7/root": "->ROOT", "proc/7/cwd": "->/home/app", "proc/7/ns/net": "->net:[5]",
		"proc/7/ns/user": "->user:[4026531837]", "proc/7/status": "Name:\tprog\nPPid:\t6\nSeccomp:\t2\nCapEff:\t0000000000001000\n",
		"usr/bin/prog": "an ELF file, or so",
	}
	for name, content := range files {
		all[name] = content
	}
	p, err := NewReader(tree(t, all)).Process(7, true)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcess(t *testing.T) {
	const maps = "7f00-7f01 r-xp 0 08:01 1 /usr/lib/libssl.so.3\n7f02-7f03 r-xp 0 08:01 2 /usr/lib/libcrypto.so.3\n7f04-7f05 rw-p 0 0 0 \n"
	p := program(t, map[string]string{"proc/7/maps": maps, "usr/lib/libcrypto.so.3": libcrypto, "usr/lib/ssl/openssl.cnf": switchedOn})
	if p.Comm != "prog" || p.NetNS != 5 || p.MayLoad != doctor.Yes || !p.Seccomp {
		t.Errorf("%+v", p)
	}
	if l := p.Library(doctor.OpenSSL); l == nil || l.Version != "3.0.22" || l.Static || len(p.Libraries) != 1 {
		t.Errorf("%+v", p.Libraries)
	}
	if p.OpenSSL == nil || p.OpenSSL.File != "/usr/lib/ssl/openssl.cnf" || p.OpenSSL.KTLS != doctor.Yes {
		t.Errorf("%+v", p.OpenSSL)
	}
	p = program(t, map[string]string{"proc/7/maps": maps, "usr/lib/libcrypto.so.3": libcrypto, "proc/7/environ": "A=b\x00OPENSSL_CONF=own.cnf\x00", "home/app/own.cnf": "[x]\nOptions = KTLS\n",
		"proc/7/status": "CapEff:\t0\n"})
	if p.OpenSSL.File != "/home/app/own.cnf" || p.OpenSSL.KTLS != doctor.Unset || p.OpenSSL.Unread != "" || p.MayLoad != doctor.No {
		t.Errorf("%+v, %+v", p, p.OpenSSL)
	}
	p = program(t, map[string]string{"proc/7/maps": maps, "usr/lib/libcrypto.so.3": libcrypto, "proc/7/ns/user": "->user:[4026532000]"})
	if p.OpenSSL.Unread != doctor.Missing || p.MayLoad != doctor.No {
		t.Errorf("%+v, %+v", p, p.OpenSSL)
	}
}

// The libcrypto of a libssl is the one beside it, or the only one.
func TestLibcrypto(t *testing.T) {
	const another = "\x00OpenSSL 1.1.1w 1 Jan 2024\x00"
	for maps, want := range map[string]string{
		"/a/libssl.so.3 /b/libcrypto.so.3": "3.0.22", "/c/libssl.so.1 /b/libcrypto.so.3 /c/libcrypto.so.1": "1.1.1w",
		"/a/libssl.so.3 /b/libcrypto.so.3 /c/libcrypto.so.1": "", "/a/libssl.so.3": "",
	} {
		lines := "0-1 r-xp 0 08:01 1 " + strings.ReplaceAll(maps, " ", "\n0-1 r-xp 0 08:01 1 ") + "\n"
		p := program(t, map[string]string{"proc/7/maps": lines, "b/libcrypto.so.3": libcrypto, "c/libcrypto.so.1": another})
		if l := p.Library(doctor.OpenSSL); l == nil || l.Version != want {
			t.Errorf("%s: %+v, want %q", maps, l, want)
		}
	}
}

func TestLibraries(t *testing.T) {
	inProgram := func(content string) map[string]string { return map[string]string{"usr/bin/prog": content} }
	mapped := func(file, content string) map[string]string {
		return map[string]string{"proc/7/maps": "0-1 r-xp 0 08:01 1 " + file + "\n", file[1:]: content}
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  doctor.Library
	}{
		{"GnuTLS without", mapped("/lib/libgnutls.so.30.34.3", "Enabled GnuTLS 3.7.9 logging...\x00"), doctor.Library{Name: doctor.GnuTLS, Version: "3.7.9", KTLS: doctor.No}},
		{"GnuTLS with", mapped("/lib/libgnutls.so.30", "Enabled GnuTLS 3.8.9 logging...\x00Unable to set TCP_ULP for read socket: %d\n\x00"), doctor.Library{Name: doctor.GnuTLS, Version: "3.8.9", KTLS: doctor.Yes}},
		{"Java", func() map[string]string {
			m := mapped("/opt/jdk/lib/server/libjvm.so", "")
			m["opt/jdk/release"] = "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n"
			return m
		}(), doctor.Library{Name: doctor.Java, Version: "17.0.15"}},
		{"rustls", inProgram("\x00/root/.cargo/registry/src/index-1/rustls-0.23.12/src/conn.rs\x00"), doctor.Library{Name: doctor.Rustls, Version: "0.23.12", Static: true}},
		{"BoringSSL", inProgram("\x00OpenSSL 1.1.1 (compatible; BoringSSL)\x00"), doctor.Library{Name: doctor.BoringSSL, Static: true}},
		{"AWS-LC", inProgram("\x00OpenSSL 1.1.1 (compatible; AWS-LC 1.54.0)\x00"), doctor.Library{Name: doctor.AWSLC, Static: true}},
		{"OpenSSL inside", inProgram("\x00OpenSSL 3.0.13+quic 30 Jan 2024\x00../ssl/statem/statem.c\x00"), doctor.Library{Name: doctor.OpenSSL, Version: "3.0.13+quic", Static: true}},
		{"crypto alone", inProgram("\x00OpenSSL 3.0.13 30 Jan 2024\x00"), doctor.Library{}},
		{"a text about it", inProgram("OpenSSL and BoringSSL are libraries, rustls-0 is no version, GnuTLS too"), doctor.Library{}},
		{"Go", inProgram("\x00crypto/tls.(*Conn).Handshake\x00"), doctor.Library{Name: doctor.GoTLS, Static: true}},
	} {
		p := program(t, c.files)
		var got doctor.Library
		if len(p.Libraries) > 0 {
			got = p.Libraries[0]
			got.File = ""
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if p := program(t, inProgram("crypto/tls.(*Conn).Read\x00example.com/ktls.(*Conn).Write\x00")); !p.Own {
		t.Errorf("%+v", p)
	}
}

// A mark is found at any position, also across the pieces in which a file is read.
func TestSearch(t *testing.T) {
	text := []byte("OpenSSL 3.5.1 1 Jul 2025\x00")
	for _, at := range []int{0, 17, chunk - 3, chunk, chunk + overlap - 5, chunk - overlap/2, 2*chunk + overlap - 1, 3 * chunk} {
		b := bytes.Repeat([]byte{'x'}, 3*chunk+100)
		copy(b[at:], text)
		if got := search(bytes.NewReader(b)).openssl; got != "3.5.1" {
			t.Errorf("at %d: %q", at, got)
		}
	}
}

func TestOpenSSLConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       doctor.Tri
	}{
		{"on", switchedOn, doctor.Yes},
		{"off", strings.Replace(switchedOn, "KTLS", "-KTLS", 1), doctor.No},
		{"not said", strings.Replace(switchedOn, ", KTLS", "", 1), doctor.Unset},
		{"of another section", "[c]\nOptions = KTLS\n", doctor.Unset},
		{"included", "openssl_conf = a\n.include /etc/more.cnf\n", doctor.Yes},
		{"included from a directory", "openssl_conf = a\n.include = /etc/more.d\n", doctor.Yes},
		{"in small letters", strings.Replace(switchedOn, "Options = ServerPreference, KTLS", "options = ktls", 1), doctor.Yes},
		{"numbered", strings.Replace(switchedOn, "Options = ", "1.Options = Compression\n2.Options = ", 1), doctor.Yes},
		{"on and off", strings.Replace(switchedOn, "KTLS", "KTLS, -KTLS", 1), doctor.No},
		{"behind a mark of UTF-8", "\ufeff" + switchedOn, doctor.Yes},
		{"in the default section by its name", "[ default ]\n" + switchedOn, doctor.Yes},
		{"behind another module", strings.Replace(switchedOn, "[a]", "[p]\nx = y\n[a]\nproviders = p", 1), doctor.Yes},
		{"a continued line", strings.Replace(switchedOn, "ServerPreference, ", "ServerPreference, \\\n", 1), doctor.Yes},
		{"garbage", "[[[\n====\n.include\n\x00\xff", doctor.Unset},
	} {
		p := program(t, map[string]string{
			"proc/7/maps": "0-1 r-xp 0 08:01 1 /lib/libssl.so.3\n0-1 r-xp 0 08:01 1 /lib/libcrypto.so.3\n", "lib/libcrypto.so.3": libcrypto,
			"usr/lib/ssl/openssl.cnf": c.text, "etc/more.cnf": switchedOn, "etc/more.d/x.cnf": switchedOn,
		})
		if p.OpenSSL == nil || p.OpenSSL.KTLS != c.want {
			t.Errorf("%s: %+v, want %v", c.name, p.OpenSSL, c.want)
		}
	}
}

// If a configuration is not understood, nothing is known; it does not mean that the
// option is off.
func TestOddOpenSSLConfiguration(t *testing.T) {
	for name, text := range map[string]string{
		"a variable": strings.Replace(switchedOn, "ssl_conf = b", "ssl_conf = ${ENV::SC}", 1), "no name": switchedOn + "garbage\n", "a command": ".pragma dollarid:on\n" + switchedOn,
		"a section and more": switchedOn + "[d] x = y\n", "a module that is not there": strings.Replace(switchedOn, "[a]", "[a]\nproviders = nope", 1),
		"quotes": strings.Replace(switchedOn, "KTLS", `K"TL"S`, 1), "a relative name": switchedOn + ".include more.cnf\n", "itself": switchedOn + ".include /usr/lib/ssl/openssl.cnf\n",
	} {
		p := program(t, map[string]string{
			"proc/7/maps": "0-1 r-xp 0 08:01 1 /lib/libssl.so.3\n0-1 r-xp 0 08:01 1 /lib/libcrypto.so.3\n", "lib/libcrypto.so.3": libcrypto, "usr/lib/ssl/openssl.cnf": text,
		})
		if p.OpenSSL == nil || p.OpenSSL.Unread == "" || p.OpenSSL.KTLS != doctor.Unset {
			t.Errorf("%s: %+v", name, p.OpenSSL)
		}
	}
	p := program(t, map[string]string{"proc/7/maps": "0-1 r-xp 0 08:01 1 /lib/libssl.so.3\n0-1 r-xp 0 08:01 1 /lib/libcrypto.so.3\n", "lib/libcrypto.so.3": libcrypto,
		"usr/lib/ssl/openssl.cnf": switchedOn, "proc/7/environ": "OPENSSL_CONF=\x00"})
	if p.OpenSSL == nil || p.OpenSSL.File != "" || p.OpenSSL.Unread != doctor.Missing || p.OpenSSL.KTLS != doctor.Unset {
		t.Errorf("OPENSSL_CONF is empty: %+v", p.OpenSSL)
	}
}

func nginxOf(t *testing.T, conf string, files map[string]string) doctor.Server {
	t.Helper()
	all := map[string]string{"proc/7/exe": "->ROOT/usr/sbin/nginx", "usr/sbin/nginx": "\x00nginx/1.22.1\x00--prefix=/usr --conf-path=/etc/nginx/nginx.conf --x\x00",
		"proc/7/cmdline": "nginx: worker process\x00", "proc/6/cmdline": "nginx: master process /usr/sbin/nginx\x00", "etc/nginx/nginx.conf": conf}
	for name, content := range files {
		all[name] = content
	}
	p := program(t, all)
	if p.Server == nil {
		t.Fatalf("%+v", p)
	}
	return *p.Server
}

func TestNginx(t *testing.T) {
	const on = "ssl_conf_command Options KTLS;"
	http := func(body string) string { return "events {}\nhttp { " + body + " }" }
	server := func(body string) string { return "server { listen 443 ssl; " + body + " }" }
	for _, c := range []struct {
		name, conf         string
		tls, partly, http2 bool
		ktls, sendfile     doctor.Tri
		chunk              int
	}{
		{"off", http(server("")), true, false, false, doctor.Unset, doctor.No, 0},
		{"on", http("sendfile on; " + server(on)), true, false, false, doctor.Yes, doctor.Yes, 0},
		{"inherited", http(on + server("")), true, false, false, doctor.Yes, doctor.No, 0},
		{"hidden by another command", http(on + server("ssl_conf_command Curves X25519;")), true, false, false, doctor.Unset, doctor.No, 0},
		{"one of two", http(server(on) + server("")), true, true, false, doctor.Yes, doctor.No, 0},
		{"no TLS", http("server { listen 80; " + on + " }"), false, false, false, doctor.Unset, doctor.Unset, 0},
		{"sendfile in a location", http(server(on + "location / { sendfile on; }")), true, false, false, doctor.Yes, doctor.Yes, 0},
		{"HTTP/2", http("http2_chunk_size 16k; " + server(on+"http2 on;")), true, false, true, doctor.Yes, doctor.No, 16 << 10},
		{"in a comment", http(server("# " + on + "\n")), true, false, false, doctor.Unset, doctor.No, 0},
		{"in quotes", http(server(`ssl_conf_command "Options" 'KTLS';`)), true, false, false, doctor.Yes, doctor.No, 0},
		{"included", http("include conf.d/*.conf;"), true, false, false, doctor.Yes, doctor.No, 0},
		{"stream", "stream { " + server(on) + " }", true, false, false, doctor.Yes, doctor.Unset, 0},
		{"in small letters", http(server("ssl_conf_command options ktls;")), true, false, false, doctor.Yes, doctor.No, 0},
		{"on and off", http(server("ssl_conf_command Options KTLS,-KTLS;")), true, false, false, doctor.Unset, doctor.No, 0},
		{"on, and then another", http(server(on + "ssl_conf_command Options ServerPreference; ssl_conf_command Curves X25519;")), true, false, false, doctor.Yes, doctor.No, 0},
		{"off by a second", http(server(on + "ssl_conf_command Options -KTLS;")), true, false, false, doctor.Unset, doctor.No, 0},
		{"a variable's name and escapes", http(`log_format x "a\"b{" ${y}z \; '}'; ` + server(on)), true, false, false, doctor.Yes, doctor.No, 0},
	} {
		s := nginxOf(t, c.conf, map[string]string{"etc/nginx/conf.d/a.conf": server(on)})
		if s.Product != "nginx" || s.Version != "1.22.1" || s.File != "/etc/nginx/nginx.conf" || s.Unread != "" {
			t.Errorf("%s: %+v", c.name, s)
		}
		if s.TLS != c.tls || s.KTLS != c.ktls || s.Partly != c.partly || s.Sendfile != c.sendfile || s.HTTP2 != c.http2 || s.ChunkSize != c.chunk {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	for name, conf := range map[string]string{
		"itself":     http("include nginx.conf; " + server(on)),
		"too large":  http(server(on)) + strings.Repeat("#\n", maxFile/2),
		"too much":   http(server(on)) + strings.Repeat("a;", maxNginxWords),
		"by breadth": http(strings.Repeat("include nginx.conf;", 20) + server(on)),
		"everything": http("include /*/*/*/*/*;" + strings.Repeat("include /*/*/../*/../*/../*;", 1000) + server(on)),
	} {
		if s := nginxOf(t, conf, nil); s.Unread != errTooMuch.Error() && name != "everything" || s.Unread == "" || s.KTLS != doctor.Unset || s.TLS {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := nginxOf(t, http("include *.conf; "+server(on)), map[string]string{"etc/nginx/.a.conf": "}", "etc/nginx/nginx.conf": http(server(on))}); s.KTLS != doctor.Yes {
		t.Errorf("what is hidden is not included: %+v", s)
	}
	for name, conf := range map[string]string{
		"garbage": "http { server { { { } \"", "a quote without its end": http(server(on) + `x "y;`), "a block too many": http(server(on)) + "}", "a block without its end": http(server(on) + "a {"),
		"Lua": http("content_by_lua_block { -- don't }\n" + server("")), "a variable": http(server("ssl_conf_command Options $x;")),
	} {
		if s := nginxOf(t, conf, nil); s.Unread != errOdd.Error() || s.KTLS != doctor.Unset || s.TLS {
			t.Errorf("%s: %+v", name, s)
		}
	}
	named := nginxOf(t, "", map[string]string{"proc/6/cmdline": "nginx: master process nginx -c /srv/n.conf\x00", "srv/n.conf": http(server(on))})
	if named.File != "/srv/n.conf" || named.KTLS != doctor.Yes {
		t.Errorf("%+v", named)
	}
	for words, want := range map[string]string{"-c conf/n.conf": "/usr/conf/n.conf", "-p /srv/ -c n.conf": "/srv/n.conf", "-p here -c n.conf": "/home/app/here/n.conf",
		"-c/srv/n.conf": "/srv/n.conf", "-qc n.conf -p/srv": "/srv/n.conf", "-g -c": "/etc/nginx/nginx.conf"} {
		s := nginxOf(t, "", map[string]string{"proc/6/cmdline": "nginx: master process nginx " + words + "\x00", want[1:]: http(server(on))})
		if s.File != want || s.KTLS != doctor.Yes {
			t.Errorf("%s: %+v", words, s)
		}
	}
	if s := nginxOf(t, "", map[string]string{"proc/6/cmdline": "nginx: master process nginx -c n.conf\x00", "usr/sbin/nginx": "\x00nginx/1.22.1\x00", "home/app/n.conf": http(server(on))}); s.Unread == "" || s.KTLS != doctor.Unset {
		t.Errorf("relative to what nobody says: %+v", s)
	}
	if lost := nginxOf(t, "", map[string]string{"proc/6/cmdline": "nginx: master process nginx -c gone.conf\x00"}); lost.Unread != doctor.Missing {
		t.Errorf("%+v", lost)
	}
}

func TestHAProxy(t *testing.T) {
	of := func(conf, features string) doctor.Server {
		p := program(t, map[string]string{"proc/7/exe": "->ROOT/usr/sbin/haproxy", "usr/sbin/haproxy": "\x00HAProxy version 3.4.7-1\x00-51DEGREES " + features + "\x00",
			"proc/7/cmdline": "/usr/sbin/haproxy\x00-f\x00/etc/h.cfg\x00", "etc/h.cfg": conf})
		return *p.Server
	}
	s := of("global\n expose-experimental-directives\nfrontend x\n bind :443 ssl crt a ktls on\nbackend y\n server a b:1 ssl ktls on # so\n", "+EPOLL -KQUEUE +KTLS")
	if s.Version != "3.4.7-1" || s.Built != doctor.Yes || s.KTLS != doctor.Yes || s.Partly || !s.Experimental || !s.TLS {
		t.Errorf("%+v", s)
	}
	s = of("frontend x\n bind :443 ssl crt a ktls on\n bind :444 ssl crt a\n bind :80\n", "+EPOLL -KQUEUE")
	if s.Built != doctor.No || s.KTLS != doctor.Yes || !s.Partly || s.Experimental {
		t.Errorf("%+v", s)
	}
	for _, conf := range []string{"backend y\n default-server ktls on\n server a b:1 ssl\n", ".if feature(KTLS)\n bind :443 ssl ktls on\n.endif\n"} {
		if s := of(conf, ""); s.Unread != errOdd.Error() || s.TLS {
			t.Errorf("%q: %+v", conf, s)
		}
	}
}

// diag is a struct inet_diag_msg with the information of an ULP.
func diag(ulp []byte) []byte {
	b := make([]byte, inetDiagMsgLen)
	b[0], b[1] = unix.AF_INET, 1
	binary.BigEndian.PutUint16(b[4:], 443)
	binary.BigEndian.PutUint16(b[6:], 5050)
	copy(b[8:], []byte{10, 0, 0, 1})
	copy(b[24:], []byte{10, 0, 0, 2})
	binary.NativeEndian.PutUint32(b[44:], 0x11)
	binary.NativeEndian.PutUint32(b[48:], 0x22)
	binary.NativeEndian.PutUint32(b[68:], 77)
	return append(b, attribute(inetDiagULPInfo, ulp)...)
}

func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, (4-len(b)%4)%4)...)
}

func short(n uint16) []byte { return binary.NativeEndian.AppendUint16(nil, n) }

func TestSocketOf(t *testing.T) {
	info := bytes.Join([][]byte{attribute(tlsInfoVersion, short(0x0304)), attribute(tlsInfoCipher, short(52)), attribute(tlsInfoTXConf, short(2)), attribute(tlsInfoRXConf, short(1))}, nil)
	s, ok := socketOf(diag(append(attribute(ulpInfoName, []byte("tls\x00")), attribute(ulpInfoTLS, info)...)))
	want := doctor.Socket{Cookie: 0x22<<32 | 0x11, Inode: 77, ULP: "tls", Version: 0x0304, Cipher: 52, TX: event.ModeSW}
	want.Local, want.Remote = netip.MustParseAddrPort("10.0.0.1:443"), netip.MustParseAddrPort("10.0.0.2:5050")
	if !ok || fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", s, want)
	}
	if s, ok := socketOf(diag(nil)); !ok || s.ULP != "" || s.TX != event.ModeNone {
		t.Errorf("%+v", s)
	}
	for n := range inetDiagMsgLen {
		if _, ok := socketOf(make([]byte, n)); ok {
			t.Errorf("%d bytes are a socket", n)
		}
	}
}

// Garbage in any file is ignored, without a panic.
func TestGarbage(t *testing.T) {
	names := []string{"proc/7/maps", "proc/7/environ", "proc/7/status", "proc/7/cmdline", "usr/bin/prog", "usr/lib/ssl/openssl.cnf", "etc/nginx/nginx.conf", "lib/libcrypto.so.3",
		"proc/kallsyms", "proc/crypto", "proc/self/mounts", "proc/7/net/tls_stat", "proc/sys/kernel/osrelease"}
	words := []string{"OpenSSL ", "/lib/libssl.so.3\n", "/lib/libcrypto.so.3\n", "{", "}", ";", "\"", "include *;", "--conf-path=", "nginx/1.2.3", ".include ", "[", "=", "\x00", "\n", "-c ", "ktls"}
	for seed := range 200 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		files := map[string]string{"proc/7/exe": []string{"->ROOT/usr/sbin/nginx", "->ROOT/usr/bin/prog", "->/gone"}[seed%3]}
		for _, name := range names {
			var b strings.Builder
			for range r.IntN(30) {
				b.WriteString(words[r.IntN(len(words))])
				b.WriteByte(byte(r.IntN(256)))
			}
			files[name] = b.String()
		}
		files["usr/sbin/nginx"] = files["usr/bin/prog"]
		program(t, files)
	}
}

// A process that vanishes during the read is an error if the user named it, and is
// ignored otherwise. A named process is reported, with the reason why it was not
// examined.
func TestGone(t *testing.T) {
	r := NewReader(tree(t, map[string]string{"proc/8/comm": "x"}))
	if _, err := r.Process(7, true); err == nil {
		t.Error("there is no process 7")
	}
	f := &doctor.Facts{}
	r.processes(f, map[int]bool{7: true, 8: false}, nil)
	if len(f.Processes) != 0 {
		t.Errorf("%+v", f.Processes)
	}
	r.processes(f, map[int]bool{8: true}, nil)
	if len(f.Processes) != 1 || f.Processes[0].Unread == "" {
		t.Errorf("%+v", f.Processes)
	}
}

func FuzzNginx(f *testing.F) {
	f.Add("http { server { listen 443 ssl; ssl_conf_command Options KTLS; } }")
	f.Add("a \"b' {{{{")
	f.Fuzz(func(t *testing.T, text string) {
		p := nginxParser{jail: &jail{root: t.TempDir(), remaining: maxJail}}
		evaluateNginx(p.block(&tokens{text: text}), new(doctor.Server))
	})
}

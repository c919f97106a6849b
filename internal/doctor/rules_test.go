package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/doctor/hello"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const (
	pid    = 7
	cookie = 99
	gcm    = 0x1302
	cbc    = 0xc023
)

var ends = Ends{NetNS: 1, Local: netip.MustParseAddrPort("127.0.0.1:443"), Remote: netip.MustParseAddrPort("127.0.0.1:5050")}

// with is a process that has a library.
func with(name, version string) Process {
	return Process{PID: pid, Comm: "prog", Exe: "/usr/bin/prog", Libraries: []Library{{Name: name, Version: version}}, OpenSSL: &Setting{File: "/etc/ssl/openssl.cnf"}}
}

func (p Process) opt(is Tri) Process        { p.OpenSSL = &Setting{File: "/c", KTLS: is}; return p }
func (p Process) unread(why string) Process { p.OpenSSL = &Setting{File: "/c", Unread: why}; return p }
func (p Process) named() Process            { p.Named = true; return p }
func (p Process) static() Process           { p.Libraries[0].Static = true; return p }
func (p Process) built(is Tri) Process      { p.Libraries[0].KTLS = is; return p }
func (p Process) exe(name string) Process   { p.Exe = name; return p }
func (p Process) serves(s Server) Process {
	s.File = cmpOr(s.File)
	p.Server = &s
	return p
}

func cmpOr(file string) string {
	if file == "" {
		return "/etc/server.conf"
	}
	return file
}

// handshake has the facts of a connection that made its choices long ago, and of its
// process.
func handshake(p Process, version, suite uint16, change ...func(*Facts)) *Facts {
	f := &Facts{Processes: []Process{p}, Watched: time.Minute}
	f.Hellos = []Hello{
		{Ends: ends, Cookie: cookie, PID: pid, Comm: "prog", Hello: hello.Hello{Version: version}},
		{Ends: ends, Cookie: cookie, PID: pid, Comm: "prog", Sent: true, Hello: hello.Hello{Server: true, Version: version, Suite: suite}},
	}
	for _, c := range change {
		c(f)
	}
	return f
}

// unanswered is facts of a ClientHello that passed a while ago, and got no answer.
func unanswered(p Process, ago time.Duration, change ...func(*Facts)) *Facts {
	f := handshake(p, 0x0304, gcm, change...)
	f.Hellos = f.Hellos[:1]
	f.Hellos[0].At = f.Watched - ago
	return f
}

// asked is an answer.
func asked(option event.Option, errno unix.Errno, change ...func(*Request)) func(*Facts) {
	return func(f *Facts) {
		a := Request{Ends: ends, Cookie: cookie, PID: pid, Comm: "prog", Option: option, Errno: uint32(errno)}
		if option != event.OptionULP {
			a.Version, a.Cipher = 0x0304, 52
		}
		for _, c := range change {
			c(&a)
		}
		f.Requests = append(f.Requests, a)
	}
}

func given() func(*Facts) { return asked(event.OptionULP, 0) }

func host(change func(*Host)) *Facts {
	f := &Facts{Host: Host{Kernel: "6.1", TLS: Present, BTF: Present, ModuleBTF: Present, Symbols: Yes}}
	change(&f.Host)
	return f
}

func of(p Process, change ...func(*Facts)) *Facts {
	f := &Facts{Processes: []Process{p}}
	for _, c := range change {
		c(f)
	}
	return f
}

func linux(k string) func(*Facts)  { return func(f *Facts) { f.Host.Kernel = k } }
func state(s Support) func(*Facts) { return func(f *Facts) { f.Host.TLS = s } }
func version12(a *Request)         { a.Version = 0x0303 }
func now(f *Facts)                 { f.Watched = 100 * time.Millisecond }
func card(f *Facts)                { f.Host.NICs = []NIC{{Name: "eth0", TX: true}} }
func late(p Process) Process       { p.MayLoad = No; return p }
func filtered(p Process) Process   { p.Seccomp = true; return p }
func fragmentOf(code uint8) func(*Facts) {
	return func(f *Facts) { f.Hellos[0].MaxFragment, f.Hellos[1].MaxFragment = code, code }
}

var nginxOn = Server{Product: "nginx", TLS: true, Setting: Setting{KTLS: Yes}, Sendfile: Yes}
var haproxyOn = Server{Product: "HAProxy", Version: "3.4.7", Built: Yes, TLS: true, Experimental: true, Setting: Setting{KTLS: Yes}}

// changed is a server with one difference.
func changed(s Server, change func(*Server)) Server { change(&s); return s }

var cases = []struct {
	id, name string
	facts    *Facts
	holds    bool
	says     string
}{
	{"KT001", "neither module nor built in", host(func(h *Host) { h.TLS = Absent }), true, "this kernel (6.1) has no kernel TLS"},
	{"KT001", "not known", host(func(h *Host) { h.TLS = SupportUnknown }), false, ""},
	{"KT002", "not loaded", host(func(h *Host) { h.TLS = Loadable }), true, "the module tls is not loaded"},
	{"KT002", "and never will be", host(func(h *Host) { h.TLS, h.NoModules = Loadable, true }), true, "loads no modules any more"},
	{"KT002", "loaded", host(func(h *Host) {}), false, ""},
	{"KT003", "no ChaCha", host(func(h *Host) { h.Ciphers = []Cipher{{"CHACHA20-POLY1305", "chacha20poly1305", Absent}} }), true, "has no CHACHA20-POLY1305"},
	{"KT003", "not loaded yet", host(func(h *Host) { h.Ciphers = []Cipher{{"AES-GCM", "gcm", Loadable}} }), false, ""},
	{"KT004", "on", host(func(h *Host) { h.FIPS = true }), true, "FIPS"},
	{"KT004", "off", host(func(h *Host) {}), false, ""},
	{"KT005", "errors in two namespaces", host(func(h *Host) {
		h.Namespaces = []Namespace{{1, map[string]uint64{"TlsDecryptError": 2}}, {2, map[string]uint64{"TlsDecryptError": 3}}}
	}), true, "TlsDecryptError 5"},
	{"KT005", "none", host(func(h *Host) { h.Namespaces = []Namespace{{1, map[string]uint64{"TlsTxSw": 2}}} }), false, ""},
	{"KT006", "off", host(func(h *Host) { h.NICs = []NIC{{Name: "eth0", FixedRX: true}} }), true, "eth0"},
	{"KT006", "fixed", host(func(h *Host) { h.NICs = []NIC{{Name: "eth0", FixedTX: true, FixedRX: true}} }), false, ""},
	{"KT007", "no tlshd", host(func(h *Host) { h.Mounts = []string{"/srv"} }), true, "/srv is mounted"},
	{"KT007", "tlshd", host(func(h *Host) { h.Mounts, h.Tlshd = []string{"/srv"}, true }), false, ""},
	{"KT008", "no types", host(func(h *Host) { h.BTF = Absent }), true, "no type information"},
	{"KT008", "no addresses", host(func(h *Host) { h.Symbols = No }), true, "no addresses"},
	{"KT008", "all there", host(func(h *Host) {}), false, ""},

	{"KT010", "refused", handshake(late(with(OpenSSL, "3.0.19")), 0x0304, gcm, asked(event.OptionULP, unix.ENOENT)), true, "without CAP_NET_ADMIN"},
	{"KT010", "refused for who may", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, asked(event.OptionULP, unix.ENOENT)), true, "was not to be had"},
	{"KT010", "before it happens", of(late(with(OpenSSL, "3.0.19")), state(Loadable)), true, "may not load it"},
	{"KT010", "loaded", of(late(with(OpenSSL, "3.0.19")), state(Present)), false, ""},
	{"KT010", "a library that never asks", of(late(with(GoTLS, "1.26")), state(Loadable)), false, ""},
	{"KT012", "too early", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, asked(event.OptionULP, unix.ENOTCONN)), true, "ENOTCONN"},
	{"KT012", "and again, in time", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, asked(event.OptionULP, unix.ENOTCONN), given(), asked(event.OptionTX, 0)), false, ""},
	{"KT013", "another protocol", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, asked(event.OptionULP, unix.EEXIST)), true, "EEXIST"},
	{"KT013", "asked twice", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), asked(event.OptionULP, unix.EEXIST)), false, ""},
	{"KT014", "refused", of(with(OpenSSL, "3.0.19"), asked(event.OptionULP, unix.EOPNOTSUPP, func(a *Request) { a.MPTCP = true })), true, "one of MPTCP, which has none"},
	{"KT014", "a socket of a process with TLS", of(with(GoTLS, "1.26"), func(f *Facts) {
		f.Sockets = []Socket{{Ends: ends, Cookie: cookie, ULP: "mptcp", PIDs: []int{pid}}}
	}), true, "if there is TLS on it"},
	{"KT014", "of another process", of(with(GoTLS, "1.26"), func(f *Facts) { f.Sockets = []Socket{{Ends: ends, Cookie: cookie, ULP: "mptcp", PIDs: []int{8}}} }), false, ""},
	{"KT015", "EPERM", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, asked(event.OptionULP, unix.EPERM)), true, "refused with EPERM"},
	{"KT015", "given", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given()), false, ""},
	{"KT020", "no cipher", handshake(with(OpenSSL, "3.0.19"), 0x0304, 0x1303, given(), asked(event.OptionTX, unix.ENOENT, func(a *Request) { a.Cipher = 54 })), true,
		"TLS 1.3 with CHACHA20-POLY1305: kernel TLS was asked for sending and refused with ENOENT"},
	{"KT020", "another answer", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), asked(event.OptionTX, unix.EINVAL)), false, ""},
	{"KT021", "a second key", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), asked(event.OptionRX, 0), asked(event.OptionRX, unix.EBUSY)), true, "a second key for receiving was refused with EBUSY: the kernel changes keys of TLS 1.3 only"},
	{"KT021", "before 6.14", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, linux("6.12.9"), given(), asked(event.OptionRX, 0), asked(event.OptionRX, unix.EBUSY)), true, "before Linux 6.14 the kernel takes one"},
	{"KT021", "from 6.14 on", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, linux("7.3-rc1"), given(), asked(event.OptionRX, 0), asked(event.OptionRX, unix.EBUSY)), true, "TLS 1.3 only"},
	{"KT021", "of TLS 1.2", handshake(with(OpenSSL, "3.0.19"), 0x0303, 0xc02f, linux("7.3.0"), given(), asked(event.OptionRX, 0, version12), asked(event.OptionRX, unix.EBUSY)), true, "of TLS 1.2 the kernel takes one"},
	{"KT021", "one key", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), asked(event.OptionRX, 0)), false, ""},
	{"KT022", "an old version", handshake(with(OpenSSL, "3.0.19"), 0x0302, cbc, given(), asked(event.OptionTX, unix.EINVAL, func(a *Request) { a.Version = 0x0302 })), true, "0x0302 is none of"},
	{"KT022", "taken", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), asked(event.OptionTX, 0)), false, ""},
	{"KT023", "the crypto is busy", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), asked(event.OptionTX, unix.ETIMEDOUT)), true, "ETIMEDOUT"},
	{"KT023", "taken", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), asked(event.OptionTX, 0)), false, ""},
	{"KT024", "a card refuses", handshake(with(OpenSSL, "3.5.0"), 0x0304, gcm, card, given(), asked(event.OptionTX, unix.EOPNOTSUPP, func(a *Request) { a.Device = true }), asked(event.OptionTX, 0)), true, "the network card refused"},
	{"KT024", "there is no card", handshake(with(OpenSSL, "3.5.0"), 0x0304, gcm, given(), asked(event.OptionTX, unix.EOPNOTSUPP, func(a *Request) { a.Device = true }), asked(event.OptionTX, 0)), false, ""},

	{"KT030", "a handshake", handshake(with(GoTLS, "1.26.0"), 0x0304, gcm), true, "TLS 1.3 with AES-GCM-256: never asked for: Go crypto/tls 1.26.0 does not"},
	{"KT030", "a program", of(with(GoTLS, "1.26.0").named()), true, "never asks"},
	{"KT030", "one with a package of its own", of(Process{PID: pid, Libraries: []Library{{Name: GoTLS}}, Own: true}), false, ""},
	{"KT030", "a moment ago", handshake(Process{PID: pid, Libraries: []Library{{Name: GoTLS}}, Own: true}, 0x0304, gcm, now), false, ""},
	{"KT031", "Java", of(with(Java, "17.0.15")), true, "Java 17.0.15"},
	{"KT031", "none", of(with(GoTLS, "")), false, ""},
	{"KT032", "rustls", handshake(with(Rustls, "0.23.1"), 0x0304, gcm), true, "rustls 0.23.1 does not"},
	{"KT032", "handed over", handshake(with(Rustls, "0.23.1").named(), 0x0304, gcm, given(), asked(event.OptionTX, 0), asked(event.OptionRX, 0), func(f *Facts) { f.Processes[0].Libraries = nil }), false, ""},
	{"KT033", "BoringSSL", of(with(BoringSSL, "")), true, "BoringSSL"},
	{"KT033", "none", of(with(OpenSSL, "3.0.19")), false, ""},
	{"KT034", "Node.js", of(with(OpenSSL, "3.0.19").static().exe("/usr/bin/node")), true, "Node.js"},
	{"KT034", "another", of(with(OpenSSL, "3.0.19").static().exe("/usr/bin/prog")), false, ""},
	{"KT035", "1.1.1", of(with(OpenSSL, "1.1.1w")), true, "OpenSSL 1.1.1w has no kernel TLS"},
	{"KT035", "3.0", of(with(OpenSSL, "3.0.19")), false, ""},
	{"KT036", "the option is on", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0304, gcm), true, "although it is switched on (/c)"},
	{"KT036", "it is off", handshake(with(OpenSSL, "3.0.19").opt(No), 0x0304, gcm), false, ""},
	{"KT036", "a moment ago", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0304, gcm, now), false, ""},
	{"KT037", "a program", of(with(OpenSSL, "3.0.19")), true, "unless the program sets it"},
	{"KT037", "a handshake", handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm), true, "never asked for: the option is off"},
	{"KT037", "a file that is not there", handshake(with(OpenSSL, "3.0.19").unread(Missing), 0x0304, gcm), true, "(there is no such file) does not switch it on"},
	{"KT037", "none", handshake(Process{PID: pid, Libraries: []Library{{Name: OpenSSL}}, OpenSSL: &Setting{Unread: Missing}}, 0x0304, gcm), true, "OPENSSL_CONF, which is empty, does not switch it on"},
	{"KT037", "one that cannot be read", handshake(with(OpenSSL, "3.0.19").unread("not allowed"), 0x0304, gcm), false, ""},
	{"KT037", "and no handshake", of(with(OpenSSL, "3.0.19").unread("not allowed").named()), false, ""},
	{"KT037", "nobody knows which file it is", handshake(Process{PID: pid, Libraries: []Library{{Name: OpenSSL}}}, 0x0304, gcm), false, ""},
	{"KT037", "on", of(with(OpenSSL, "3.0.19").opt(Yes)), false, ""},
	{"KT037", "too old to have it", of(with(OpenSSL, "1.1.1w")), false, ""},
	{"KT038", "built without", of(with(GnuTLS, "3.7.9").built(No)), true, "GnuTLS 3.7.9 was built without"},
	{"KT038", "not known", of(with(GnuTLS, "3.7.9")), false, ""},
	{"KT039", "not switched on", of(Process{PID: pid, Libraries: []Library{{Name: GnuTLS, KTLS: Yes}}, GnuTLS: &Setting{File: "/etc/gnutls/config"}}), true, "/etc/gnutls/config does not"},
	{"KT039", "switched on", of(Process{PID: pid, Libraries: []Library{{Name: GnuTLS, KTLS: Yes}}, GnuTLS: &Setting{KTLS: Yes}}), false, ""},
	{"KT040", "TLS 1.1", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0302, 0xc013), true, "the server chose TLS 1.1"},
	{"KT040", "TLS 1.2", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0303, cbc), false, ""},
	{"KT041", "agreed", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0303, 0xc02f, fragmentOf(2)), true, "1024 bytes"},
	{"KT041", "full", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0303, 0xc02f), false, ""},
	{"KT042", "CBC", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0303, cbc), true, "CBC"},
	{"KT042", "GCM", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0303, 0xc02f), false, ""},
	{"KT043", "compressed", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0303, 0xc02f, func(f *Facts) { f.Hellos[1].Compressed = true }), true, "compress"},
	{"KT043", "not", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0303, 0xc02f), false, ""},
	{"KT047", "no ServerHello", unanswered(with(OpenSSL, "3.0.19").opt(Yes), time.Minute), true, "no ServerHello came after the ClientHello"},
	{"KT047", "not yet", unanswered(with(OpenSSL, "3.0.19").opt(Yes), time.Second), false, ""},
	{"KT047", "the kernel skipped hooks", unanswered(with(OpenSSL, "3.0.19").opt(Yes), time.Minute, func(f *Facts) { f.MayMissULP = true }), false, ""},
	{"KT047", "a ServerHello", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0304, gcm), false, ""},
	{"KT044", "no key", of(with(OpenSSL, "3.0.19").opt(Yes), func(f *Facts) { f.Sockets = []Socket{{Ends: ends, Cookie: cookie, ULP: "tls", PIDs: []int{pid}}} }), true, "no key was set"},
	{"KT044", "keys", of(with(OpenSSL, "3.0.19").opt(Yes), func(f *Facts) {
		f.Sockets = []Socket{{Ends: ends, Cookie: cookie, ULP: "tls", PIDs: []int{pid}, TX: event.ModeSW, RX: event.ModeSW}}
	}), false, ""},
	{"KT045", "no library", handshake(Process{PID: pid, Comm: "prog"}, 0x0304, gcm), true, "which TLS library it has is not known"},
	{"KT045", "a configuration that cannot be read", handshake(with(OpenSSL, "3.0.19").unread("not allowed"), 0x0304, gcm), true, "it has OpenSSL 3.0.19"},
	{"KT045", "a known one", handshake(with(GoTLS, ""), 0x0304, gcm), false, ""},
	{"KT046", "a filter", handshake(filtered(with(OpenSSL, "3.0.19").opt(Yes)), 0x0304, gcm), true, "seccomp"},
	{"KT046", "no filter", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0304, gcm), false, ""},
	{"KT050", "OpenSSL 3.0", handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0304, gcm, given(), asked(event.OptionTX, 0)), true, "OpenSSL 3.0.19 does not ask for it with TLS 1.3"},
	{"KT050", "OpenSSL 3.5", handshake(with(OpenSSL, "3.5.1").opt(Yes), 0x0304, gcm, given(), asked(event.OptionTX, 0)), false, ""},
	{"KT051", "OpenSSL 3.5", handshake(with(OpenSSL, "3.5.1").opt(Yes), 0x0304, gcm, given(), asked(event.OptionTX, 0)), true, "the kernel has sending, and not receiving: the program did not ask"},
	{"KT051", "both", handshake(with(OpenSSL, "3.5.1").opt(Yes), 0x0304, gcm, given(), asked(event.OptionTX, 0), asked(event.OptionRX, 0)), false, ""},

	{"KT060", "nginx", of(with(OpenSSL, "3.0.19").serves(changed(nginxOn, func(s *Server) { s.KTLS = Unset }))), true, "neither /etc/server.conf nor /etc/ssl/openssl.cnf switches it on"},
	{"KT060", "a handshake", handshake(with(OpenSSL, "3.0.19").serves(changed(nginxOn, func(s *Server) { s.KTLS = Unset })), 0x0304, gcm), true, "never asked for: kernel TLS is off"},
	{"KT060", "some servers", of(with(OpenSSL, "3.0.19").serves(changed(nginxOn, func(s *Server) { s.Partly = true }))), true, "and not for all"},
	{"KT060", "on", of(with(OpenSSL, "3.0.19").serves(nginxOn)), false, ""},
	{"KT060", "OpenSSL's file cannot be read", of(with(OpenSSL, "3.0.19").unread("not allowed").serves(changed(nginxOn, func(s *Server) { s.KTLS = Unset }))), false, ""},
	{"KT060", "without TLS", of(with(OpenSSL, "3.0.19").serves(Server{Product: "nginx"})), false, ""},
	{"KT061", "no sendfile", of(with(OpenSSL, "3.0.19").serves(changed(nginxOn, func(s *Server) { s.Sendfile = No }))), true, "sendfile is off"},
	{"KT061", "sendfile", of(with(OpenSSL, "3.0.19").serves(nginxOn)), false, ""},
	{"KT062", "HTTP/2", of(with(OpenSSL, "3.0.19").serves(changed(nginxOn, func(s *Server) { s.HTTP2 = true }))), true, "chunks"},
	{"KT062", "large chunks", of(with(OpenSSL, "3.0.19").serves(changed(nginxOn, func(s *Server) { s.HTTP2, s.ChunkSize = true, 64<<10 }))), false, ""},
	{"KT063", "HAProxy 2.6", of(with(OpenSSL, "3.0.19").serves(Server{Product: "HAProxy", Version: "2.6.12"})), true, "HAProxy 2.6.12 has no kernel TLS"},
	{"KT063", "built without", of(with(OpenSSL, "3.0.19").serves(changed(haproxyOn, func(s *Server) { s.Built = No }))), true, "was built without"},
	{"KT063", "3.4", of(with(OpenSSL, "3.0.19").serves(haproxyOn)), false, ""},
	{"KT064", "no ktls on", of(with(OpenSSL, "3.0.19").serves(changed(haproxyOn, func(s *Server) { s.KTLS = Unset }))), true, "no ktls on"},
	{"KT064", "a handshake", handshake(with(OpenSSL, "3.6.0").serves(changed(haproxyOn, func(s *Server) { s.KTLS = Unset })), 0x0304, gcm), true, "never asked for: kernel TLS is off"},
	{"KT064", "on", of(with(OpenSSL, "3.0.19").serves(haproxyOn)), false, ""},
}

// A handshake that failed hides nothing of what the process's files say.
func TestFailedHandshakeHidesNothing(t *testing.T) {
	r := Examine(unanswered(with(OpenSSL, "3.0.19").named(), time.Minute))
	if len(r.Findings) != 2 || r.Findings[0].ID != "KT037" || r.Findings[1].ID != "KT047" || r.Findings[1].Level != Note {
		t.Errorf("%+v", r.Findings)
	}
}

// doctor does not advise to switch kernel TLS on in a program that keeps the socket from OpenSSL.
func TestNothingToSwitchOn(t *testing.T) {
	named := func(comm string, p Process) Process { p.Comm = comm; return p }
	several := with(OpenSSL, "3.0.19")
	several.Libraries = append(several.Libraries, Library{Name: GnuTLS, Version: "3.7.9"})
	for id, p := range map[string]Process{"KT045": several, "KT037": with(OpenSSL, "3.0.19"), "KT036": with(OpenSSL, "3.0.19").opt(Yes)} {
		for comm, want := range map[string]bool{"curl": true, "apache2": true, "nginx": false} {
			r := Examine(handshake(named(comm, p), 0x0304, gcm))
			i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == id })
			if i < 0 || strings.Contains(r.Findings[i].Do, "docs/programs.md#without") != want {
				t.Errorf("%s of %s: %+v", id, comm, r.Findings)
			}
		}
	}
}

// Each rule holds where it should, and nowhere else.
func TestRules(t *testing.T) {
	held, did := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		r := Examine(c.facts)
		i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == c.id })
		switch {
		case (i >= 0) != c.holds:
			t.Errorf("%s, %s: holds %v, want %v: %+v", c.id, c.name, i >= 0, c.holds, r.Findings)
		case i >= 0 && (!strings.Contains(r.Findings[i].Says, c.says) || r.Findings[i].Do == ""):
			t.Errorf("%s, %s: says %q, want %q", c.id, c.name, r.Findings[i].Says, c.says)
		}
		if c.holds {
			held[c.id] = true
		} else {
			did[c.id] = true
		}
	}
	for _, r := range Rules {
		if !held[r.ID] || !did[r.ID] {
			t.Errorf("%s: no case where it holds (%v), or none where it does not (%v)", r.ID, held[r.ID], did[r.ID])
		}
	}
}

// A connection has one reason, and the kernel's answer comes before files.
func TestOneReason(t *testing.T) {
	f := handshake(late(with(OpenSSL, "3.0.19")), 0x0303, cbc, asked(event.OptionULP, unix.ENOENT))
	r := Examine(f)
	if len(r.Connections) != 1 || !slices.Equal(r.Connections[0].Why, []string{"KT010"}) {
		t.Errorf("%+v", r.Connections)
	}
	if r.Well() {
		t.Error("all is well")
	}
}

// Observed events count, and files need not repeat them: for the process, and for others
// like it.
func TestSeenCounts(t *testing.T) {
	f := handshake(with(OpenSSL, "3.0.19").serves(changed(nginxOn, func(s *Server) { s.KTLS = Unset })), 0x0304, gcm)
	master := f.Processes[0]
	master.PID = 6
	f.Processes = append(f.Processes, master)
	if r := Examine(f); len(r.Findings) != 1 || r.Findings[0].Connection == nil {
		t.Errorf("%+v", r.Findings)
	}
	f.Processes[1].Server = &Server{Product: "nginx", TLS: true, Setting: Setting{File: "/etc/another.conf"}}
	if r := Examine(f); len(r.Findings) != 2 || !strings.Contains(r.Findings[1].Says, "neither /etc/another.conf nor ") {
		t.Errorf("with a file of its own: %+v", r.Findings)
	}
	on := handshake(with(OpenSSL, "3.5.1").named(), 0x0304, gcm, given(), asked(event.OptionTX, 0), asked(event.OptionRX, 0))
	if r := Examine(on); len(r.Findings) != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// If requests may have been missed, their absence proves nothing; the kernel's list of
// sockets is more reliable.
func TestBlind(t *testing.T) {
	blind := func(f *Facts) { f.MayMissULP, f.MayMissKeys = true, true }
	listed := func(f *Facts) { f.Sockets = []Socket{{Ends: ends, Cookie: cookie, PIDs: []int{pid}}} }
	for name, c := range map[string]struct {
		facts *Facts
		why   []string
	}{
		"no question":                 {handshake(with(GoTLS, ""), 0x0304, gcm, blind), nil},
		"no question, and listed":     {handshake(with(GoTLS, ""), 0x0304, gcm, blind, listed), []string{"KT030"}},
		"no key":                      {handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given(), blind), nil},
		"no key, and everybody sees":  {handshake(with(OpenSSL, "3.0.19"), 0x0304, gcm, given()), []string{"KT037"}},
		"what cannot be all the same": {handshake(with(OpenSSL, "3.0.19"), 0x0303, cbc, blind), []string{"KT042"}},
	} {
		if got := Examine(c.facts).Connections[0].Why; !slices.Equal(got, c.why) {
			t.Errorf("%s: %q, want %q", name, got, c.why)
		}
	}
}

// A connection of the kernel itself (NFS, NVMe) belongs to no process.
func TestSubjects(t *testing.T) {
	f := host(func(h *Host) { h.FIPS = true })
	f.Sockets = []Socket{{Ends: ends, Cookie: cookie, ULP: "tls", TX: event.ModeSW, Version: 0x0304, Cipher: 52}}
	var got []string
	for _, x := range Examine(f).Findings {
		got = append(got, x.ID+" "+x.Subject())
	}
	if want := []string{"KT051 nobody", "KT004 host"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A key is seen before the socket has a cookie, which the kernel's list has: both are one
// connection.
func TestCookieComesLater(t *testing.T) {
	f := of(with(OpenSSL, "3.0.19"), asked(event.OptionTX, 0, func(a *Request) { a.Cookie = 0 }))
	f.Sockets = []Socket{{Ends: ends, Cookie: cookie, ULP: "tls", PIDs: []int{pid}, TX: event.ModeSW, Version: 0x0304, Cipher: 52}}
	if all := Examine(f).Connections; len(all) != 1 || !all[0].TX.Asked || !all[0].TX.On() {
		t.Errorf("%+v", all)
	}
}

// A process number is used again: observed events belong to the process of that time, and
// listed sockets to the current one.
func TestNumbersAreUsedAgain(t *testing.T) {
	f := handshake(with(GoTLS, "1.26"), 0x0304, gcm)
	f.Processes = append(f.Processes, with(Rustls, "0.23.1"))
	for i := range f.Processes {
		f.Processes[i].Started = uint64(i + 1)
	}
	other := Ends{NetNS: 1, Local: ends.Local, Remote: netip.MustParseAddrPort("127.0.0.1:5051")}
	f.Sockets = []Socket{{Ends: other, Cookie: cookie + 1, ULP: "tls", PIDs: []int{pid}}}
	for i := range f.Hellos {
		f.Hellos[i].Started = 1
	}
	if all := Examine(f).Connections; all[0].Process != &f.Processes[0] || all[1].Process != &f.Processes[1] {
		t.Errorf("%+v, %+v", all[0], all[1])
	}
	f.Hellos[0].Started, f.Hellos[1].Started = 0, 0 // it was gone
	if all := Examine(f).Connections; all[0].Process != nil || !slices.Equal(all[0].Why, []string{"KT045"}) {
		t.Errorf("%+v", all[0])
	}
}

// A socket that is closed and still listed has lost its TLS state: having none proves
// nothing.
func TestClosedSockets(t *testing.T) {
	f := handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0304, gcm, given(), func(f *Facts) {
		f.MayMissKeys = true
		f.Sockets = []Socket{{Ends: ends, Cookie: cookie, Closed: true}}
	})
	if c := Examine(f).Connections[0]; len(c.Why) != 0 || c.json().TX.Mode != "unknown" || c.word(&c.RX) != "?" {
		t.Errorf("%+v", c)
	}
}

// Connections with the same finding are reported once; those of other processes
// separately.
func TestFindingsAreCounted(t *testing.T) {
	f := handshake(with(GoTLS, "1.26"), 0x0304, gcm)
	for i := range 3 {
		h := f.Hellos[1]
		h.Cookie += uint64(i + 1)
		f.Hellos = append(f.Hellos, h)
	}
	r := Examine(f)
	if len(r.Findings) != 1 || r.Findings[0].Connections != 4 || r.Findings[0].Subject() != "prog[7]" {
		t.Errorf("%+v", r.Findings)
	}
	two := of(with(OpenSSL, "3.0.19"))
	two.Processes = append(two.Processes, two.Processes[0])
	two.Processes[1].PID = 8
	if r := Examine(two); len(r.Findings) != 1 || r.Findings[0].Processes != 2 || !r.Well() {
		t.Errorf("%+v", r.Findings)
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		version string
		want    bool
	}{{"3.2", true}, {"3.2.0-dev", true}, {"3.2-dev7", true}, {"3.2+", true}, {"3.10.1", true}, {"4.0.0", true}, {"3.1.9", false}, {"3.0.22", false}, {"1.1.1w", false}, {"", false}, {"x.y", false}, {"3", false}} {
		if got := atLeast(c.version, 3, 2); got != c.want {
			t.Errorf("%q at least 3.2: %v", c.version, got)
		}
	}
}

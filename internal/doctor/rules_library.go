package doctor

import (
	"strings"
	"time"
)

// libraryRules are about programs that made no request, by their TLS library.
var libraryRules = []Rule{
	{ID: "KT030", Title: "Go's crypto/tls never asks for kernel TLS", process: unlessOwn(has(GoTLS)), connection: neverAsked(GoTLS)},
	{ID: "KT031", Title: "Java's own TLS never asks for kernel TLS", process: has(Java), connection: neverAsked(Java)},
	{ID: "KT032", Title: "rustls leaves kernel TLS to the program", process: has(Rustls), connection: neverAsked(Rustls)},
	{ID: "KT033", Title: "BoringSSL and AWS-LC leave kernel TLS to the program", process: has(BoringSSL, AWSLC), connection: neverAsked(BoringSSL, AWSLC)},
	{ID: "KT034", Title: "Node.js feeds OpenSSL through memory", process: nodeJS, connection: nodeNeverAsked},
	{ID: "KT035", Title: "OpenSSL before 3.0 has no kernel TLS", process: oldOpenSSL, connection: asProcess(oldOpenSSL, Error)},
	{ID: "KT036", Title: "OpenSSL did not ask, although it was told to", connection: ownBIO},
	{ID: "KT037", Title: "OpenSSL's option is off", process: optionOff, connection: optionOffHere},
	{ID: "KT038", Title: "GnuTLS was built without kernel TLS", process: gnutlsWithout, connection: asProcess(gnutlsWithout, Error)},
	{ID: "KT039", Title: "GnuTLS's configuration does not switch kernel TLS on", process: gnutlsOff, connection: asProcess(gnutlsOff, Error)},
	{ID: "KT044", Title: "TLS was prepared, and no key was set", connection: noKey},
	{ID: "KT045", Title: "the program did not ask", connection: didNotAsk},
	{ID: "KT046", Title: "a seccomp filter may refuse the question", connection: seccomp, additional: true},
}

// handed is the time after the ServerHello within which a program certainly hands a
// connection over, if it does so: the rest of the handshake takes a round trip or two.
const handed = 500 * time.Millisecond

// nothingRequested reports whether the handshake was seen and is over, and no request
// followed.
func (c *Connection) nothingRequested() bool {
	return c.off() && !c.mayMissULP && c.Server != nil && c.Silent >= handed && !c.ULPAsked && !c.TX.Asked && !c.RX.Asked && c.ULP == ""
}

// prepared reports whether the socket got the upper layer protocol, but no key.
func (c *Connection) prepared() bool {
	return c.off() && !c.mayMissKeys && c.ULP == "tls" && !c.TX.Asked && !c.RX.Asked && (c.Server == nil || c.Silent >= handed)
}

var advice = map[string]string{
	GoTLS:     "give it a library that hands keys to the kernel (pkg/ktls of this project), or put a proxy with kernel TLS before it; golang/go#44506 is the proposal",
	Java:      "put a proxy with kernel TLS before it, or use a TLS library of its own (netty-tcnative with an OpenSSL that asks)",
	Rustls:    "let the program use the crate ktls, which takes a connection over from rustls",
	BoringSSL: "put a proxy with kernel TLS before it; of Envoy envoyproxy/envoy#23968 is the request",
	AWSLC:     "let the program export the keys (HAProxy 3.3 and later do so with AWS-LC), or put a proxy with kernel TLS before it",
}

// weight: a setting in files is a warning for a process that the user named. For another
// process that has the library it is not known whether it uses TLS.
func (p *Process) weight() Level {
	if p.Named {
		return Warning
	}
	return Note
}

func has(names ...string) func(*Facts, *Process) *conclusion {
	return func(_ *Facts, p *Process) *conclusion {
		for _, name := range names {
			if l := p.Library(name); l != nil {
				return conclude(p.weight(), advice[name], "never asks for kernel TLS: its TLS is that of %s", l.title())
			}
		}
		return nil
	}
}

// title is the library's name and version.
func (l *Library) title() string {
	if l.Version == "" {
		return l.Name
	}
	return l.Name + " " + l.Version
}

func unlessOwn(rule func(*Facts, *Process) *conclusion) func(*Facts, *Process) *conclusion {
	return func(f *Facts, p *Process) *conclusion {
		if p.Own {
			return nil
		}
		return rule(f, p)
	}
}

func neverAsked(names ...string) func(*Facts, *Connection) *conclusion {
	return func(_ *Facts, c *Connection) *conclusion {
		if !c.nothingRequested() {
			return nil
		}
		for _, name := range names {
			if l := c.Process.Library(name); l != nil && c.Process.only() {
				return conclude(Error, advice[name], "%s: never asked for: %s does not", c.what(), l.title())
			}
		}
		return nil
	}
}

// only reports whether the process has one TLS library, so that this library makes its
// handshakes.
func (p *Process) only() bool { return p != nil && len(p.Libraries) == 1 }

// asProcess reports, for a connection without requests, the cause in its process.
func asProcess(rule func(*Facts, *Process) *conclusion, l Level) func(*Facts, *Connection) *conclusion {
	return func(f *Facts, c *Connection) *conclusion {
		if !c.nothingRequested() || !c.Process.only() {
			return nil
		}
		w := rule(f, c.Process)
		if w == nil {
			return nil
		}
		return conclude(l, w.do, "%s: never asked for: %s", c.what(), w.text)
	}
}

const nodeAdvice = "put a proxy with kernel TLS before it"

func (p *Process) isNode() bool {
	l := p.Library(OpenSSL)
	return l != nil && l.Static && (strings.HasSuffix(p.Exe, "/node") || strings.HasSuffix(p.Exe, "/nodejs"))
}

func nodeJS(_ *Facts, p *Process) *conclusion {
	if !p.isNode() {
		return nil
	}
	return conclude(p.weight(), nodeAdvice, "never asks for kernel TLS: Node.js reads and writes the sockets itself, and OpenSSL sees memory")
}

func nodeNeverAsked(f *Facts, c *Connection) *conclusion {
	if c.Process == nil {
		return nil
	}
	return asProcess(nodeJS, Error)(f, c)
}

func oldOpenSSL(_ *Facts, p *Process) *conclusion {
	l := p.Library(OpenSSL)
	if l == nil || l.Version == "" || atLeast(l.Version, 3, 0) {
		return nil
	}
	return conclude(p.weight(), "use OpenSSL 3.0 or later", "OpenSSL %s has no kernel TLS, which came with 3.0", l.Version)
}

// ownBIO: the option is on, and no request was made.
func ownBIO(_ *Facts, c *Connection) *conclusion {
	if !c.nothingRequested() || c.Process.Library(OpenSSL) == nil || !c.Process.only() || c.Process.isNode() {
		return nil
	}
	if state, _ := c.Process.option(); state != Yes {
		return nil
	}
	return conclude(Error, c.Process.unlessNever("let the program give OpenSSL the socket (SSL_set_fd, BIO_s_socket; Python: ssl.SSLSocket, and not asyncio or MemoryBIO), or see whether this OpenSSL was configured with enable-ktls"),
		"%s: never asked for, although it is switched on (%s): the program reads and writes the socket itself (a memory BIO, or a BIO of its own), or this OpenSSL was built without enable-ktls", c.what(), strings.Join(c.Process.switches(), " or "))
}

// keepSocket are programs, by their process names, that let OpenSSL read and write memory
// and not the socket, so that nothing switches kernel TLS on: docs/programs.md says which
// versions were tried.
var keepSocket = map[string]string{"curl": "curl 8", "apache2": "Apache 2.4", "httpd": "Apache 2.4", "dotnet": ".NET"}

// unlessNever is what to do, or that there is nothing to do because of the program.
func (p *Process) unlessNever(do string) string {
	if p == nil || keepSocket[p.Comm] == "" || p.Library(OpenSSL) == nil {
		return do
	}
	return "nothing to switch on: " + keepSocket[p.Comm] + " does not give OpenSSL the socket, so it cannot have kernel TLS (docs/programs.md#without)"
}

// option is the setting of a process's OpenSSL in files, and how to switch it on.
func (p *Process) option() (state Tri, do string) {
	if p.OpenSSL != nil {
		state = p.OpenSSL.KTLS
		file := p.OpenSSL.File
		if file == "" {
			file = "a file that OPENSSL_CONF names"
		}
		do = "in " + file + ": openssl_conf = openssl_init before the first section, if it is not there, [openssl_init] ssl_conf = s, [s] system_default = d, [d] Options = KTLS; or SSL_OP_ENABLE_KTLS in the program"
	}
	if p.Server == nil {
		return state, do
	}
	switch p.Server.Product {
	case "nginx":
		do = "ssl_conf_command Options KTLS; in " + p.Server.File + " (http or server), and nginx -s reload"
	case "HAProxy":
		do = "ktls on at each bind and server with ssl in " + p.Server.File
	}
	return max(state, p.Server.KTLS), do
}

// known reports whether the setting in OpenSSL's own file is known, also by the file's
// absence. If the directory of a library is not known, only the server's own file is
// known.
func (p *Process) known() bool {
	if p.OpenSSL == nil {
		return p.Server != nil
	}
	return p.OpenSSL.Unread == "" || p.OpenSSL.Unread == Missing
}

// emptyConf stands for the file of OPENSSL_CONF if that is empty: OpenSSL then reads
// none.
const emptyConf = "OPENSSL_CONF, which is empty,"

// switches are the files that could switch it on.
func (p *Process) switches() (files []string) {
	add := func(s *Setting) {
		switch {
		case s == nil:
		case s.File == "" && s == p.OpenSSL:
			files = append(files, emptyConf)
		case s.Unread != "":
			files = append(files, s.File+" ("+s.Unread+")")
		default:
			files = append(files, s.File)
		}
	}
	if p.Server != nil {
		add(&p.Server.Setting)
	}
	add(p.OpenSSL)
	return files
}

// off is the text of a finding that no file switches it on.
func (p *Process) off() string {
	switch files := p.switches(); len(files) {
	case 0:
		return "no file is known that switches it on"
	case 1:
		return files[0] + " does not switch it on"
	default:
		return "neither " + strings.Join(files, " nor ") + " switches it on"
	}
}

func optionOff(_ *Facts, p *Process) *conclusion {
	l := p.Library(OpenSSL)
	if l == nil || l.Static && p.Server == nil || l.Version != "" && !atLeast(l.Version, 3, 0) || p.isNode() {
		return nil
	}
	if p.Server != nil || !p.known() { // servers have serverRules
		return nil
	}
	state, do := p.option()
	if state == Yes {
		return nil
	}
	return conclude(p.weight(), p.unlessNever(do), "OpenSSL's option KTLS is off, unless the program sets it: %s", p.off())
}

// optionOffHere: some versions of OpenSSL give sockets the upper layer protocol
// regardless of the option, others make no request without it.
func optionOffHere(_ *Facts, c *Connection) *conclusion {
	if !c.prepared() && !c.nothingRequested() || c.Process.Library(OpenSSL) == nil || !c.Process.only() || c.Process.isNode() {
		return nil
	}
	state, do := c.Process.option()
	if state == Yes || !c.Process.known() || c.Process.Server != nil && c.Process.Server.Unread != "" {
		return nil
	}
	do = c.Process.unlessNever(do)
	what := c.what() + ": never asked for: the option is off: " + c.Process.off()
	switch {
	case c.Server == nil: // the cipher can be the cause as well
		return conclude(Warning, do, "%s (or the handshake chose what the kernel has not: --watch tells)", what)
	case c.Process.Server == nil:
		return conclude(Error, do, "%s (or the program sets it, and uses a BIO of its own)", what)
	}
	return conclude(Error, do, "%s", what)
}

func gnutlsWithout(_ *Facts, p *Process) *conclusion {
	l := p.Library(GnuTLS)
	if l == nil || l.KTLS != No {
		return nil
	}
	return conclude(p.weight(), "use a GnuTLS that was configured with --enable-ktls (Debian's is not), or another library",
		"%s was built without kernel TLS", l.title())
}

func gnutlsOff(_ *Facts, p *Process) *conclusion {
	l := p.Library(GnuTLS)
	if l == nil || l.KTLS == No || p.GnuTLS == nil || p.GnuTLS.KTLS == Yes || p.GnuTLS.Unread != "" {
		return nil
	}
	return conclude(p.weight(), "in "+p.GnuTLS.File+": [global] ktls = true", "%s does not switch kernel TLS of GnuTLS on", p.GnuTLS.File)
}

func noKey(_ *Facts, c *Connection) *conclusion {
	if !c.prepared() {
		return nil
	}
	return conclude(Warning, "see the program's TLS library, and what the handshake chose (ktlstop doctor --watch 30s)",
		"%s: the socket is prepared for kernel TLS, and no key was set", c.what())
}

func didNotAsk(_ *Facts, c *Connection) *conclusion {
	if !c.nothingRequested() {
		return nil
	}
	lib := "which TLS library it has is not known"
	if c.Process != nil && len(c.Process.Libraries) > 0 {
		var names []string
		for i := range c.Process.Libraries {
			names = append(names, c.Process.Libraries[i].title())
		}
		lib = "it has " + strings.Join(names, ", ")
	}
	return conclude(Error, c.Process.unlessNever("switch kernel TLS on in the program, or see whether its TLS library has it"), "%s: never asked for; %s", c.what(), lib)
}

func seccomp(_ *Facts, c *Connection) *conclusion {
	if !c.nothingRequested() || c.Process == nil || !c.Process.Seccomp || !c.Process.requestsKTLS() {
		return nil
	}
	return conclude(Note, "see whether the filter lets setsockopt pass: containers' default profiles do",
		"the program has a seccomp filter, which may refuse setsockopt before the kernel's TLS code sees it; that is rare")
}

package doctor

import (
	"cmp"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// answerRules are about requests to the kernel, and its answers.
var answerRules = []Rule{
	{ID: "KT014", Title: "the socket is one of MPTCP", connection: onMPTCP},
	{ID: "KT010", Title: "the kernel refused TLS: there is no module, or the program may not load it", connection: ulpNoModule, process: mayNotLoad},
	{ID: "KT012", Title: "TLS was asked for before the socket was connected", connection: ulpNotConnected},
	{ID: "KT013", Title: "the socket has another upper layer protocol, or is in a sockmap", connection: ulpTaken},
	{ID: "KT015", Title: "the kernel refused TLS for another reason", connection: ulpRefused},
	{ID: "KT020", Title: "the kernel has no implementation of the cipher", connection: keyNoCipher},
	{ID: "KT021", Title: "the kernel does not take a second key", connection: keySecond},
	{ID: "KT022", Title: "the kernel does not take such a key", connection: keyInvalid},
	{ID: "KT023", Title: "the kernel refused a key for another reason", connection: keyRefused},
	{ID: "KT024", Title: "the network card does not take the connection", connection: deviceRefused, additional: true},
}

// what names the object of a request: the version and the cipher of a key, or of the
// handshake.
func (c *Connection) what() string {
	v, cipher := c.TLSVersion().String(), c.CipherName()
	switch {
	case v == "":
		return "TLS"
	case cipher == "":
		return "TLS " + v
	}
	return "TLS " + v + " with " + cipher
}

func onMPTCP(f *Facts, c *Connection) *conclusion {
	const do = "make the socket one of TCP (IPPROTO_TCP); Go: ListenConfig.SetMultipathTCP(false), or GODEBUG=multipathtcp=0; nginx: no multipath on listen"
	switch {
	case c.MPTCP && c.ULPErrno != 0:
		return conclude(Error, do, "kernel TLS was refused with %s: the socket is one of MPTCP, which has none", errnoName(c.ULPErrno))
	case c.ULP == "mptcp":
		return conclude(Note, do, "the connection is one of MPTCP: if there is TLS on it, the kernel cannot have it")
	}
	return nil
}

func ulpNoModule(f *Facts, c *Connection) *conclusion {
	if !c.ULPAsked || !is(c.ULPErrno, unix.ENOENT) {
		return nil
	}
	if f.Host.TLS == Absent {
		return conclude(Error, "use a kernel with CONFIG_TLS=m or =y", "kernel TLS was refused with ENOENT: this kernel has none")
	}
	const do = "modprobe tls; for each start: echo tls > /etc/modules-load.d/tls.conf"
	if c.Process != nil && c.Process.MayLoad == No {
		return conclude(Error, do, "kernel TLS was refused with ENOENT: the module tls was not loaded, and the program, without CAP_NET_ADMIN in the initial user namespace, may not load it")
	}
	return conclude(Error, do, "kernel TLS was refused with ENOENT: the module tls was not loaded, and was not to be had for this program")
}

// mayNotLoad is the same before it happens.
func mayNotLoad(f *Facts, p *Process) *conclusion {
	if f.Host.TLS != Loadable || p.MayLoad != No || !p.requestsKTLS() {
		return nil
	}
	return conclude(Warning, "modprobe tls; for each start: echo tls > /etc/modules-load.d/tls.conf",
		"the module tls is not loaded, and the program, without CAP_NET_ADMIN in the initial user namespace, may not load it")
}

// requestsKTLS reports whether a library of the process requests kernel TLS if it is
// configured to.
func (p *Process) requestsKTLS() bool {
	if l := p.Library(OpenSSL); l != nil {
		return l.Version == "" || atLeast(l.Version, 3, 0)
	}
	l := p.Library(GnuTLS)
	return l != nil && l.KTLS != No
}

func ulpNotConnected(_ *Facts, c *Connection) *conclusion {
	if !c.ULPAsked || !is(c.ULPErrno, unix.ENOTCONN) || c.TX.On() || c.RX.On() {
		return nil
	}
	return conclude(Error, "set TCP_ULP when connect has ended, not before (a socket that does not block is not connected when connect returns)",
		"kernel TLS was refused with ENOTCONN: the program asked before the connection was up, and did not ask again")
}

func ulpTaken(_ *Facts, c *Connection) *conclusion {
	if !c.ULPAsked || !is(c.ULPErrno, unix.EEXIST) || c.ULP == "tls" {
		return nil
	}
	return conclude(Error, "take the socket out of the sockmap, or off the other protocol, before TLS",
		"kernel TLS was refused with EEXIST: the socket has another upper layer protocol (%s)", cmp.Or(c.ULP, "which is not known"))
}

func ulpRefused(_ *Facts, c *Connection) *conclusion {
	if !c.ULPAsked || c.ULPErrno == 0 || is(c.ULPErrno, unix.ENOENT, unix.ENOTCONN, unix.EEXIST) {
		return nil
	}
	return conclude(Error, "tcp(7) and the kernel's tcp_set_ulp say what "+errnoName(c.ULPErrno)+" may mean", "kernel TLS was refused with %s", errnoName(c.ULPErrno))
}

// refusedKey returns the direction whose key was refused, "" for none.
func (c *Connection) refusedKey() (dir string, errno uint32) {
	switch {
	case c.TX.Asked && c.TX.Errno != 0:
		return "sending", c.TX.Errno
	case c.RX.Asked && c.RX.Errno != 0:
		return "receiving", c.RX.Errno
	}
	return "", 0
}

var moduleOf = map[event.Cipher]string{51: "gcm", 52: "gcm", 53: "ccm", 54: "chacha20poly1305", 55: "sm4", 56: "sm4", 57: "aria", 58: "aria"}

func keyNoCipher(f *Facts, c *Connection) *conclusion {
	dir, errno := c.refusedKey()
	if !is(errno, unix.ENOENT) {
		return nil
	}
	module := moduleOf[c.Cipher]
	do := "modprobe " + module + "; where there is no such module, leave the cipher out"
	if module == "" {
		do = "leave the cipher out"
	}
	return conclude(Error, do, "%s: kernel TLS was asked for %s and refused with ENOENT: %s",
		c.what(), dir, "the cipher's module is missing"+fipsToo(f, c))
}

func fipsToo(f *Facts, c *Connection) string {
	if f.Host.FIPS && c.Cipher == 54 {
		return " (FIPS mode does not allow it)"
	}
	return ""
}

// keySecond: the version of the direction's existing key decides.
func keySecond(f *Facts, c *Connection) *conclusion {
	dir, errno := c.refusedKey()
	if !is(errno, unix.EBUSY) {
		return nil
	}
	do, why := "keep both ends from updating keys", "the kernel changes keys of TLS 1.3 only, and that from Linux 6.14 on"
	switch {
	case c.TLSVersion() == 0x0303:
		do, why = "keep both ends from renegotiating, or let them speak TLS 1.3, on Linux 6.14 or later", "of TLS 1.2 the kernel takes one for a connection's life"
	case c.TLSVersion() == 0x0304 && f.Host.Kernel != "" && !atLeast(f.Host.Kernel, 6, 14):
		do, why = "use Linux 6.14 or later, or keep both ends from updating keys", "before Linux 6.14 the kernel takes one for a connection's life"
	}
	return conclude(Error, do, "%s: a second key for %s was refused with EBUSY: %s", c.what(), dir, why)
}

func keyInvalid(_ *Facts, c *Connection) *conclusion {
	dir, errno := c.refusedKey()
	if !is(errno, unix.EINVAL) {
		return nil
	}
	why := "a cipher or a length that this kernel does not know, another version or cipher than the other direction has or the key before had, or a socket in a sockmap"
	if v := c.Version; v != 0 && v != 0x0303 && v != 0x0304 {
		why = fmt.Sprintf("the version %#04x is none of TLS 1.2 and 1.3", uint16(v))
	}
	return conclude(Error, "see the program's TLS library: it was built for another kernel, or asks for what this one has not",
		"%s: kernel TLS was asked for %s and refused with EINVAL: %s", c.what(), dir, why)
}

func keyRefused(_ *Facts, c *Connection) *conclusion {
	dir, errno := c.refusedKey()
	if errno == 0 || is(errno, unix.ENOENT, unix.EBUSY, unix.EINVAL) {
		return nil
	}
	return conclude(Error, "ktlstop trace shows the calls; the kernel's tls_setsockopt says what "+errnoName(errno)+" may mean",
		"%s: kernel TLS was asked for %s and refused with %s", c.what(), dir, errnoName(errno))
}

func deviceRefused(f *Facts, c *Connection) *conclusion {
	if !c.Device || c.DeviceErrno == 0 || !anyCard(f) {
		return nil
	}
	why := "the card's driver does not take it"
	if c.Version == 0x0304 {
		why = "drivers take TLS 1.2; whether one takes 1.3 depends on it"
	}
	return conclude(Note, "nothing, if software is fast enough; see ethtool -k and the driver's documentation",
		"%s: the network card refused it with %s, and the kernel does it in software: %s", c.what(), errnoName(c.DeviceErrno), why)
}

// anyCard: without a capable card, a refusal is expected.
func anyCard(f *Facts) bool {
	for _, n := range f.Host.NICs {
		if n.TX || n.RX {
			return true
		}
	}
	return false
}

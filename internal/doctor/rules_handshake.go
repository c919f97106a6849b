package doctor

import (
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/internal/doctor/hello"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// handshakeRules are about choices of the handshake that kernel TLS does not support.
var handshakeRules = []Rule{
	{ID: "KT040", Title: "the protocol is older than TLS 1.2", connection: oldVersion},
	{ID: "KT042", Title: "kernel TLS has no such cipher", connection: foreignCipher},
	{ID: "KT043", Title: "the connection is compressed", connection: compressed},
	{ID: "KT041", Title: "records were agreed to be shorter", connection: shortRecords},
	{ID: "KT047", Title: "the handshake did not succeed", connection: noServerHello},
}

// off reports whether the kernel has neither direction.
func (c *Connection) off() bool { return !c.TX.On() && !c.RX.On() }

func oldVersion(_ *Facts, c *Connection) *conclusion {
	if !c.off() || c.Server == nil || c.Server.Version >= 0x0303 {
		return nil
	}
	return conclude(Error, "let both ends speak TLS 1.2 or 1.3 (nginx: ssl_protocols TLSv1.2 TLSv1.3)",
		"cannot: the server chose %s, and kernel TLS has 1.2 and 1.3", versionName(c.Server.Version))
}

func versionName(v uint16) string {
	if name := event.Version(v).String(); name != "" {
		return "TLS " + name
	}
	if v == 0x0300 {
		return "SSL 3.0"
	}
	return fmt.Sprintf("version %#04x", v)
}

func foreignCipher(_ *Facts, c *Connection) *conclusion {
	if !c.off() || c.Server == nil || hello.Cipher(c.Server.Suite) != "" {
		return nil
	}
	return conclude(Error, "prefer AES-GCM or ChaCha20-Poly1305 at the server (nginx: ssl_ciphers, ssl_prefer_server_ciphers)",
		"cannot: the server chose %s in %s, and kernel TLS has AES-GCM, AES-CCM, ChaCha20-Poly1305, SM4 and ARIA-GCM", hello.SuiteName(c.Server.Suite), versionName(c.Server.Version))
}

func compressed(_ *Facts, c *Connection) *conclusion {
	if !c.off() || c.Server == nil || !c.Server.Compressed {
		return nil
	}
	return conclude(Error, "switch TLS compression off, which is unsafe anyway (CRIME)", "cannot: the server chose to compress, and kernel TLS does not")
}

// shortRecords: in TLS 1.2 the server's answer was seen; in TLS 1.3 it is encrypted.
func shortRecords(_ *Facts, c *Connection) *conclusion {
	const do = "leave max_fragment_length (openssl: -maxfraglen) and record_size_limit out at the client, or let the server not agree"
	if !c.off() || c.Server == nil || c.Process == nil || c.Process.Library(OpenSSL) == nil {
		return nil
	}
	if c.Server.MaxFragment != 0 {
		return conclude(Error, do, "cannot: max_fragment_length was agreed on (%s), with which OpenSSL does not hand the connection over", fragment(c.Server.MaxFragment))
	}
	if c.Client != nil && c.Client.MaxFragment != 0 && c.Server.Version == 0x0304 {
		return conclude(Warning, do, "the client asked for a max_fragment_length (%s): if the server agreed, which TLS 1.3 does not show, OpenSSL does not hand the connection over", fragment(c.Client.MaxFragment))
	}
	return nil
}

// answered is how long after the ClientHello a ServerHello has surely come, if it comes.
const answered = 5 * time.Second

// unanswered: the handshake did not get as far as to choose anything.
func (c *Connection) unanswered() bool {
	return c.off() && !c.mayMissULP && c.Unanswered >= answered && !c.ULPAsked && c.ULP == ""
}

func noServerHello(_ *Facts, c *Connection) *conclusion {
	if !c.unanswered() {
		return nil
	}
	return conclude(Note, "compare the versions and ciphers of both ends; the program's own log or its peer's may have the alert (nginx: ssl_protocols TLSv1.2 TLSv1.3)",
		"no ServerHello came after the ClientHello: the handshake failed, or doctor did not see the answer")
}

// fragment is the length of RFC 6066 §4.
func fragment(code uint8) string {
	if code < 1 || code > 4 {
		return fmt.Sprintf("code %d", code)
	}
	return fmt.Sprintf("%d bytes", 256<<code)
}

// halfRules are about connections of which the kernel has only one direction.
var halfRules = []Rule{
	{ID: "KT050", Title: "OpenSSL before 3.2 receives TLS 1.3 in user space", connection: oldReceiver},
	{ID: "KT051", Title: "the kernel has one direction only", connection: half},
}

func oldReceiver(_ *Facts, c *Connection) *conclusion {
	l := c.Process.Library(OpenSSL)
	if !c.TX.On() || c.RX.On() || c.TLSVersion() != 0x0304 || l == nil || l.Version == "" || atLeast(l.Version, 3, 2) {
		return nil
	}
	return conclude(Warning, "use OpenSSL 3.2 or later; with TLS 1.2 this one has both directions",
		"%s: the kernel has sending, and not receiving: OpenSSL %s does not ask for it with TLS 1.3", c.what(), l.Version)
}

func half(_ *Facts, c *Connection) *conclusion {
	if c.TX.On() == c.RX.On() {
		return nil
	}
	has, lacks := "sending", "receiving"
	if c.RX.On() {
		has, lacks = lacks, has
	}
	why := "nobody saw whether it was asked for (ktlstop doctor --watch 30s, and a new connection)"
	if c.TX.Asked || c.RX.Asked {
		why = "the program did not ask for it"
	}
	if lacks == "receiving" {
		why += "; libraries do not where they have read records ahead, or where the peer's first records came with the handshake"
	}
	return conclude(Warning, "whether it must be so: see docs/doctor.md, KT051", "%s: the kernel has %s, and not %s: %s", c.what(), has, lacks, why)
}

package ktls

import (
	"crypto/tls"
	"net"
	"time"
)

// Config says how TLS connections are made. A nil or zero Config is usable: it prefers the kernel and configures
// crypto/tls with a zero tls.Config.
//
// This package does not change a Config, and any number of connections, dialers and listeners may share one at the same
// time. It must not be changed after it was passed to a function of this package.
//
// No field switches off the change of the sending key that RFC 8446 demands at the limit of AES-GCM. A peer that cannot take
// a KeyUpdate, such as kernel TLS before Linux 6.14, ends a TLS 1.3 connection there, after 2^24 records (256 GiB of full
// ones). With such peers, close connections earlier. See "How long a key serves" in the package documentation.
type Config struct {
	// TLS configures the handshake, as the *tls.Config of crypto/tls's functions does. It is not changed. Servers that
	// share it, or Configs that share it, resume each other's sessions. The KeyLogWriter gets its lines as usual.
	TLS *tls.Config

	// Policy decides what happens where the kernel cannot take over. The zero value is [Prefer].
	Policy Policy

	// NoPad sets TLS_RX_EXPECT_NO_PAD when the kernel takes over, as [Conn.SetNoPad] does. It is a hint: kernels without
	// this option work as well.
	NoPad bool

	// ZeroCopy sets TLS_TX_ZEROCOPY_RO when the kernel takes over, as [Conn.SetZeroCopy] does. It is a hint: kernels
	// without this option work as well.
	ZeroCopy bool

	// MaxPayload sets TLS_TX_MAX_PAYLOAD_LEN when the kernel takes over, as [Conn.SetMaxPayload] does, where it is not
	// zero. It is a hint: kernels without this option make records of up to 16,384 bytes.
	MaxPayload int

	// HandshakeTimeout bounds each handshake; it then fails with context.DeadlineExceeded, and the connection is closed.
	// Zero or less means no limit but those of the context and of the connection's deadlines. A ktlshttp.Server and a DTLS
	// listener have a default instead: see ktlshttp.Server.Config and DTLSConfig.HandshakeTimeout.
	//
	// A positive HandshakeTimeout also changes what Accept returns. A listener with it runs the handshakes itself: Accept returns connections whose
	// handshake is complete, and drops those whose handshake failed. This is for servers that call ConnectionState at
	// once, as net/http does for Request.TLS. Up to 1,024 handshakes run at the same time; a connection that was not
	// accepted yet counts as one.
	HandshakeTimeout time.Duration

	// OnHandover, where it is not nil, is called once for each connection whose TLS handshake succeeded: when the kernel
	// has taken the connection over, or when it is clear that it will not. The Offload says so for each direction and,
	// where records stay in user space, names the reason. Without this function a fallback to user space shows only to
	// those who call [Conn.Offload].
	//
	// The call comes on the goroutine that runs the handshake: that of the first Handshake, Read or Write, of Dial, or
	// one of the listener's, before Accept returns the connection. It delays that goroutine for as long as it takes, and
	// calls for several connections may run at the same time. The function may use the Conn. With [Require] the
	// connection is closed already where the Offload has a reason, and Handshake returns that reason.
	OnHandover func(*Conn, Offload)

	// OnHandshakeError, where it is not nil, is called once for each connection that a listener with a positive
	// HandshakeTimeout drops because its handshake failed, with [Require] also where the kernel has not taken it over.
	// Without this function such a listener drops connections silently; other handshakes return their error to whoever
	// runs them. Handshakes that the listener's Close breaks off are not reported.
	//
	// The call comes on the goroutine that ran the handshake, and calls for several connections may run at the same
	// time. The connection is closed after it.
	OnHandshakeError func(*Conn, error)

	attach func(net.Conn) (recordSocket, error) // a test's; nil means the kernel's
}

// orZero replaces nil.
func (c *Config) orZero() *Config {
	if c == nil {
		return &Config{}
	}
	return c
}

// tls returns the configuration of the handshake, never nil.
func (c *Config) tls() *tls.Config {
	if c.TLS == nil {
		return &tls.Config{}
	}
	return c.TLS
}

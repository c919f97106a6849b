package ktls

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
)

// DTLSConfig says how a DTLS 1.2 connection is made. The fields are those of *tls.Config
// of the same names, as far as DTLS has them, and those of [Config]. A nil or zero DTLSConfig
// is usable by clients. It is not changed and may be shared; it must not be changed while it
// is in use.
type DTLSConfig struct {
	// Certificates are the server's, or a client's where the server asks for one.
	Certificates []tls.Certificate
	RootCAs      *x509.CertPool // who vouches for servers; nil means the host's set
	ClientCAs    *x509.CertPool // who vouches for clients
	ClientAuth   tls.ClientAuthType
	// ServerName is what the server's certificate must hold. DialDTLS takes the address's
	// host where it is empty.
	ServerName         string
	InsecureSkipVerify bool
	// PSK returns the key for a peer's identity (on clients: its hint, which may be nil).
	// It makes the connection one with a pre-shared key (RFC 4279), without certificates.
	PSK func(identity []byte) ([]byte, error)
	// PSKIdentity is the client's identity, or the server's hint. Clients with PSK must
	// have one.
	PSKIdentity []byte
	// CipherSuites are numbers as crypto/tls has them. nil means those that the kernel has:
	// AES-GCM and ChaCha20-Poly1305. Any other that pion/dtls knows stays in user space.
	CipherSuites []uint16
	NextProtos   []string // application protocols (RFC 7301)
	// MTU is the largest datagram in bytes, IP's and UDP's headers apart. 0 means what the
	// path takes.
	MTU int
	// Retransmit is how long a flight of the handshake may stay without an answer, the first
	// time; 0 means a second (RFC 6347, section 4.2.4.1).
	Retransmit time.Duration
	// KeyLogWriter gets the master secret in NSS's format.
	KeyLogWriter io.Writer

	// Policy decides what happens where the kernel cannot take over. The zero value is [Prefer].
	Policy Policy
	// HandshakeTimeout bounds each handshake. Zero or less means no limit but the context's for DialDTLS, DTLSClient and
	// DTLSServer, and 30 seconds for a listener, which has no context.
	HandshakeTimeout time.Duration
	// OnHandover, where it is not nil, is called once for each connection whose handshake succeeded, on the goroutine
	// that runs it and before anybody has the connection: what Config.OnHandover is for TLS. With [Require] the
	// connection is closed already where the Offload has a reason.
	OnHandover func(*DTLSConn, Offload)

	attach dtlsAttach // a test's; nil means the kernel's
}

// orZero replaces nil.
func (c *DTLSConfig) orZero() *DTLSConfig {
	if c == nil {
		return &DTLSConfig{}
	}
	return c
}

// silent keeps pion/dtls from writing to standard error: what goes wrong is in its errors.
var silent = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}

// shared are the options that both ends have.
func (c *DTLSConfig) shared() []dtls.Option {
	opts := []dtls.Option{
		dtls.WithLoggerFactory(silent),
		dtls.WithCipherSuites(c.suites()...),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(c.InsecureSkipVerify),
	}
	if len(c.Certificates) > 0 {
		opts = append(opts, dtls.WithCertificates(c.Certificates...))
	}
	if c.RootCAs != nil {
		opts = append(opts, dtls.WithRootCAs(c.RootCAs))
	}
	if c.PSK != nil {
		opts = append(opts, dtls.WithPSK(c.PSK))
	}
	if c.PSKIdentity != nil {
		opts = append(opts, dtls.WithPSKIdentityHint(c.PSKIdentity))
	}
	if len(c.NextProtos) > 0 {
		opts = append(opts, dtls.WithSupportedProtocols(c.NextProtos...))
	}
	if c.Retransmit > 0 {
		opts = append(opts, dtls.WithFlightInterval(c.Retransmit))
	}
	if c.KeyLogWriter != nil {
		opts = append(opts, dtls.WithKeyLogWriter(c.KeyLogWriter))
	}
	if c.MTU > 0 {
		opts = append(opts, dtls.WithMTU(min(c.MTU, defaultHandshakeMTU)))
	}
	return opts
}

// defaultHandshakeMTU is pion's: its fragments of handshake messages fit any path.
const defaultHandshakeMTU = 1200

func (c *DTLSConfig) suites() (ids []dtls.CipherSuiteID) {
	suites := c.CipherSuites
	switch {
	case suites != nil:
	case c.PSK != nil:
		suites = defaultPSKSuites
	default:
		suites = defaultDTLSSuites
	}
	for _, id := range suites {
		ids = append(ids, dtls.CipherSuiteID(id))
	}
	return ids
}

func (c *DTLSConfig) clientOptions() (opts []dtls.ClientOption) {
	for _, o := range c.shared() {
		opts = append(opts, o)
	}
	if c.ServerName != "" {
		opts = append(opts, dtls.WithServerName(c.ServerName))
	}
	return opts
}

func (c *DTLSConfig) serverOptions() (opts []dtls.ServerOption) {
	for _, o := range c.shared() {
		opts = append(opts, o)
	}
	if c.ClientCAs != nil {
		opts = append(opts, dtls.WithClientCAs(c.ClientCAs))
	}
	// crypto/tls and pion number the five policies alike.
	return append(opts, dtls.WithClientAuth(dtls.ClientAuthType(c.ClientAuth)))
}

package doctor

import (
	"net/netip"
	"time"

	"github.com/ktlstop/ktlstop/internal/doctor/hello"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Facts are all observations. Unknown values are zero.
type Facts struct {
	Host      Host      `json:"host"`
	Processes []Process `json:"processes"`
	Sockets   []Socket  `json:"-"`
	// Requests and Hellos were seen during the watch, in order.
	Requests []Request `json:"-"`
	Hellos   []Hello   `json:"-"`
	// Watched is how long the watch was, 0 if there was none.
	Watched time.Duration `json:"-"`
	// MayMissULP and MayMissKeys: some requests of that kind may have been missed, so
	// their absence proves nothing.
	MayMissULP  bool `json:"-"`
	MayMissKeys bool `json:"-"`
	// NotSeen lists what could not be examined, and why: a line each.
	NotSeen []string `json:"not_seen"`
}

// Support is whether the kernel has a feature.
type Support uint8

// The states of Support.
const (
	SupportUnknown Support = iota
	Absent                 // neither built in nor available as a module
	Loadable               // a module that is not loaded
	Present
)

var supports = [...]string{"unknown", "absent", "loadable", "present"}

// String returns the state in one word.
func (s Support) String() string { return supports[int(s)%len(supports)] }

// MarshalText implements encoding.TextMarshaler.
func (s Support) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Tri is yes, no, or unsaid.
type Tri uint8

// The values of Tri.
const (
	Unset Tri = iota
	No
	Yes
)

// MarshalText implements encoding.TextMarshaler.
func (t Tri) MarshalText() ([]byte, error) {
	return []byte([...]string{"unknown", "no", "yes"}[int(t)%3]), nil
}

// Host is the kernel and its environment.
type Host struct {
	Kernel string  `json:"kernel"`
	TLS    Support `json:"tls"`
	// NoModules: the kernel no longer loads modules (kernel.modules_disabled).
	NoModules bool     `json:"modules_disabled"`
	Ciphers   []Cipher `json:"ciphers"`
	// BTF and ModuleBTF: type information of the kernel and of the module tls exists.
	BTF       Support `json:"btf"`
	ModuleBTF Support `json:"module_btf"`
	// Symbols: /proc/kallsyms shows addresses.
	Symbols    Tri         `json:"symbols"`
	FIPS       bool        `json:"fips"`
	NICs       []NIC       `json:"nics"`
	Namespaces []Namespace `json:"namespaces"`
	Mounts     []string    `json:"tls_mounts"` // NFS with xprtsec=tls or mtls
	Tlshd      bool        `json:"tlshd"`
}

// Cipher is an AEAD of kernel TLS and the module that implements it.
type Cipher struct {
	Name   string  `json:"name"`
	Module string  `json:"module"`
	State  Support `json:"state"`
}

// NIC is a network interface and its features.
type NIC struct {
	Name string `json:"name"`
	// TX and RX: it seals, or opens, records; Fixed: that cannot be changed.
	TX      bool `json:"tx"`
	RX      bool `json:"rx"`
	FixedTX bool `json:"tx_fixed"`
	FixedRX bool `json:"rx_fixed"`
}

// Namespace is a network namespace with its /proc/net/tls_stat.
type Namespace struct {
	Inode uint32            `json:"netns"`
	Stat  map[string]uint64 `json:"tls_stat"`
}

// Names of TLS libraries.
const (
	OpenSSL   = "OpenSSL"
	BoringSSL = "BoringSSL"
	AWSLC     = "AWS-LC"
	GnuTLS    = "GnuTLS"
	GoTLS     = "Go crypto/tls"
	Rustls    = "rustls"
	Java      = "Java"
)

// Library is a TLS library in a process.
type Library struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	File    string `json:"file"`
	// Static: it is linked into the program.
	Static bool `json:"static,omitempty"`
	// KTLS: it was built with kernel TLS, as far as its file shows.
	KTLS Tri `json:"ktls"`
}

// Missing is why a file that does not exist was not read, which is information too.
const Missing = "there is no such file"

// Setting is what a configuration says about kernel TLS.
type Setting struct {
	// File is the file that says so, or that would.
	File string `json:"file"`
	// KTLS: switched on, switched off; Unsaid if the file does not set it.
	KTLS Tri `json:"ktls"`
	// Unread is why the file could not be read.
	Unread string `json:"unread,omitempty"`
}

// Server is a server's own configuration.
type Server struct {
	Setting
	// Product is "nginx" or "HAProxy".
	Product string `json:"product"`
	Version string `json:"version,omitempty"`
	// Built: the list of features has kernel TLS (HAProxy's -vv).
	Built Tri `json:"built_with_ktls"`
	// TLS: it has listeners with TLS.
	TLS bool `json:"tls"`
	// Partly: some of the listeners with TLS lack kernel TLS.
	Partly bool `json:"partly,omitempty"`
	// Sendfile and HTTP2 describe nginx's servers with TLS.
	Sendfile Tri  `json:"sendfile"`
	HTTP2    bool `json:"http2"`
	// ChunkSize is nginx's http2_chunk_size in bytes, 0 for the default.
	ChunkSize int `json:"http2_chunk_size,omitempty"`
	// Experimental is HAProxy's expose-experimental-directives.
	Experimental bool `json:"experimental,omitempty"`
}

// Process is a process that uses TLS, or one that the user named.
type Process struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
	// Started identifies it, since numbers are used again: the start time in ticks
	// since boot.
	Started uint64 `json:"-"`
	// Unread is why the process, or a part of it, was not examined.
	Unread string `json:"unread,omitempty"`
	Exe    string `json:"exe,omitempty"`
	NetNS  uint32 `json:"netns,omitempty"`
	// MayLoad: it has CAP_NET_ADMIN in the initial user namespace, without which
	// the kernel does not load the module tls for it (__tcp_ulp_find_autoload).
	MayLoad   Tri       `json:"may_load_modules"`
	Seccomp   bool      `json:"seccomp"`
	Libraries []Library `json:"libraries"`
	// OpenSSL and GnuTLS are the libraries' configuration, nil without them.
	OpenSSL *Setting `json:"openssl_conf,omitempty"`
	GnuTLS  *Setting `json:"gnutls_conf,omitempty"`
	Server  *Server  `json:"server,omitempty"`
	// Own: the setting is of a program that hands keys to the kernel itself.
	Own bool `json:"own_ktls,omitempty"`
	// Named: the user asked about this process, not about all.
	Named bool `json:"-"`
}

// Library returns the process's library of that name, nil if it has none.
func (p *Process) Library(name string) *Library {
	if p == nil {
		return nil
	}
	for i := range p.Libraries {
		if p.Libraries[i].Name == name {
			return &p.Libraries[i]
		}
	}
	return nil
}

// Ends are a connection's addresses and its network namespace.
type Ends struct {
	NetNS  uint32         `json:"netns"`
	Local  netip.AddrPort `json:"local"`
	Remote netip.AddrPort `json:"remote"`
}

// Socket is a TCP socket as the kernel lists it.
type Socket struct {
	Ends
	Cookie uint64
	Inode  uint32
	Listen bool
	// Closed: no process has it any more, or none yet. The kernel has already freed its
	// TLS state.
	Closed bool
	PIDs   []int
	// ULP is the name of its upper layer protocol, "" for none.
	ULP     string
	Version event.Version
	Cipher  event.Cipher
	TX, RX  event.Mode
}

// Request is one request of a process to the kernel, and the answer.
type Request struct {
	Ends
	Cookie uint64
	PID    int
	Comm   string
	// Started is the process's start time, 0 if it was gone before it could be
	// examined.
	Started uint64
	// At is the time since the start of the watch.
	At     time.Duration
	Option event.Option
	// Errno is the answer, 0 for success.
	Errno uint32
	// Version and Cipher are those of a key.
	Version event.Version
	Cipher  event.Cipher
	// MPTCP: the socket is an MPTCP socket. Device: the kernel asked the network card.
	MPTCP, Device bool
}

// Hello is a ClientHello or a ServerHello that passed through a TCP socket.
type Hello struct {
	Ends
	Cookie uint64
	PID    int
	Comm   string
	// Started is as in Request.
	Started uint64
	At      time.Duration
	// Sent: this process sent it; else it received it.
	Sent bool
	hello.Hello
}

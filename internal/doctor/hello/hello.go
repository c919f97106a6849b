// Package hello reads the first message of a TLS handshake, as far as it is there: a
// ClientHello or a ServerHello of RFC 5246 and RFC 8446. Others chose its input.
package hello

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// Hello is the offer of a ClientHello, or the choice of a ServerHello.
type Hello struct {
	// Server is true for a ServerHello, false for a ClientHello.
	Server bool
	// Version is the chosen one, or the highest one offered.
	Version uint16
	// Suite is the chosen one, 0 in a ClientHello.
	Suite uint16
	// Name is the server name that a client asks for; it can contain anything.
	Name string
	// MaxFragment is the code of max_fragment_length (RFC 6066 §4), RecordLimit the
	// value of record_size_limit (RFC 8449); 0 without.
	MaxFragment uint8
	RecordLimit uint16
	// Compressed: the server has chosen a compression.
	Compressed bool
	// Cut: a part of the message was missing.
	Cut bool
}

// ErrNone is returned for bytes that are not a hello.
var ErrNone = errors.New("no ClientHello or ServerHello")

const (
	recordHandshake = 22
	clientHello     = 1
	serverHello     = 2

	extServerName  = 0
	extMaxFragment = 1
	extRecordLimit = 28
	extVersions    = 43
)

// Parse reads the first bytes of a record, including its header.
func Parse(b []byte) (Hello, error) {
	s := cryptobyte.String(b)
	var kind, major, minor, msg uint8
	var length uint16
	var body uint32
	if !s.ReadUint8(&kind) || !s.ReadUint8(&major) || !s.ReadUint8(&minor) || !s.ReadUint16(&length) ||
		kind != recordHandshake || major != 3 || minor > 4 || !s.ReadUint8(&msg) || !s.ReadUint24(&body) {
		return Hello{}, ErrNone
	}
	h := Hello{Server: msg == serverHello, Cut: uint32(len(s)) < body}
	if !h.Cut {
		s = s[:body]
	}
	switch msg {
	case clientHello:
		return h, h.client(s)
	case serverHello:
		return h, h.server(s)
	}
	return Hello{}, ErrNone
}

func (h *Hello) client(s cryptobyte.String) error {
	var id, suites, compressions cryptobyte.String
	if !s.ReadUint16(&h.Version) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&id) {
		return ErrNone
	}
	if !s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&compressions) {
		return h.rest()
	}
	return h.extensions(s)
}

func (h *Hello) server(s cryptobyte.String) error {
	var id cryptobyte.String
	var compression uint8
	if !s.ReadUint16(&h.Version) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&id) || !s.ReadUint16(&h.Suite) || !s.ReadUint8(&compression) {
		return ErrNone
	}
	h.Compressed = compression != 0
	if h.Suite>>8 == 0x13 { // suites of TLS 1.3 alone, whose version may be in the missing part
		h.Version = 0x0304
	}
	return h.extensions(s)
}

// rest is the remaining input.
func (h *Hello) rest() error {
	if h.Cut {
		return nil
	}
	return ErrNone
}

func (h *Hello) extensions(s cryptobyte.String) error {
	var length uint16
	if s.Empty() {
		return nil
	}
	if !s.ReadUint16(&length) {
		return h.rest()
	}
	for !s.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !s.ReadUint16(&kind) || !s.ReadUint16LengthPrefixed(&data) {
			return h.rest()
		}
		h.extension(kind, data)
	}
	return nil
}

func (h *Hello) extension(kind uint16, data cryptobyte.String) {
	switch kind {
	case extServerName:
		h.Name = serverName(data)
	case extMaxFragment:
		data.ReadUint8(&h.MaxFragment)
	case extRecordLimit:
		data.ReadUint16(&h.RecordLimit)
	case extVersions:
		h.versions(data)
	}
}

func serverName(data cryptobyte.String) string {
	var list, name cryptobyte.String
	var kind uint8
	if !data.ReadUint16LengthPrefixed(&list) || !list.ReadUint8(&kind) || kind != 0 || !list.ReadUint16LengthPrefixed(&name) {
		return ""
	}
	return string(name)
}

// versions returns the chosen version, or the highest one offered, without GREASE (RFC
// 8701).
func (h *Hello) versions(data cryptobyte.String) {
	if h.Server {
		data.ReadUint16(&h.Version)
		return
	}
	var list cryptobyte.String
	if !data.ReadUint8LengthPrefixed(&list) {
		return
	}
	var v uint16
	for list.ReadUint16(&v) {
		if v>>8 == 3 && v > h.Version {
			h.Version = v
		}
	}
}

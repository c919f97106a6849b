package event

import (
	"fmt"
	"strconv"
	"strings"
)

// pick returns names[i], or names[0] where i is out of range.
func pick[T ~uint8](i T, names ...string) string {
	if int(i) >= len(names) {
		return names[0]
	}
	return names[i]
}

// Dir is a direction, seen from the socket's owner.
type Dir uint8

// The directions; they index arrays of two. pkg/ktls, which imports nothing of
// this module, has names and numbers of its own (ARCHITECTURE.md, "Packages").
const (
	TX Dir = iota
	RX
)

// String returns "tx" or "rx".
func (d Dir) String() string { return pick(d, "tx", "rx") }

// ParseDir returns the direction whose String is s, and an error for any other s.
func ParseDir(s string) (Dir, error) {
	switch s {
	case "tx":
		return TX, nil
	case "rx":
		return RX, nil
	}
	return 0, fmt.Errorf("direction %q is neither tx nor rx", s)
}

// Op is the kind of call that sealed or opened a record.
type Op uint8

// The operations.
const (
	// OpNone is work that the kernel did by itself.
	OpNone Op = iota
	// OpSend is write(2), send(2) and their kind; OpSendfile and OpSplice are
	// sendfile(2) and splice(2) to the socket.
	OpSend
	OpSendfile
	OpSplice
	// OpRecv is read(2), recv(2) and their kind, OpSpliceRead is splice(2) from the
	// socket, OpReadSock a reader inside the kernel.
	OpRecv
	OpSpliceRead
	OpReadSock
	// OpUringSend and OpUringRecv are what an io_uring does, in its own system call or
	// by a worker.
	OpUringSend
	OpUringRecv
)

// String returns the operation's name, empty for OpNone.
func (o Op) String() string {
	return pick(o, "", "send", "sendfile", "splice", "recv", "splice_read", "read_sock", "uring_send", "uring_recv")
}

// Mode says who encrypts.
type Mode uint8

// The values of the kernel's tx_conf and rx_conf (include/net/tls.h).
const (
	// ModeNone is not the kernel: this direction has no key there.
	ModeNone Mode = iota
	// ModeSW is the kernel's own software.
	ModeSW
	// ModeHW is the network card, ModeHWRecord one that also speaks TCP.
	ModeHW
	ModeHWRecord
)

// String returns "none", "sw" or "hw".
func (m Mode) String() string { return pick(m, "none", "sw", "hw", "hw") }

// Card says what a network card had opened of a record when the kernel came to it.
type Card uint8

// CardNone is nothing of a record that it was to open, CardPart some of its packets.
const (
	CardNotAsked Card = iota
	CardAll
	CardPart
	CardNone
)

// String returns "all", "part", "none" or the empty string.
func (c Card) String() string { return pick(c, "", "all", "part", "none") }

// Family is the address family of a socket.
type Family uint8

// The families' numbers are the kernel's.
const (
	FamilyINET  Family = 2
	FamilyINET6 Family = 10
)

// String returns "inet", "inet6" or the empty string.
func (f Family) String() string {
	switch f {
	case FamilyINET:
		return "inet"
	case FamilyINET6:
		return "inet6"
	}
	return ""
}

// ContentType is the type of a record, RFC 8446 §5.1.
type ContentType uint8

// The content types.
const (
	ChangeCipherSpec ContentType = 20
	Alert            ContentType = 21
	Handshake        ContentType = 22
	ApplicationData  ContentType = 23
)

// String returns RFC 8446's name, or type_N.
func (t ContentType) String() string {
	switch t {
	case ChangeCipherSpec:
		return "change_cipher_spec"
	case Alert:
		return "alert"
	case Handshake:
		return "handshake"
	case ApplicationData:
		return "application_data"
	}
	return "type_" + strconv.Itoa(int(t))
}

// Ending says how a connection had ended before this side closed it.
type Ending uint8

// The endings: not yet, or by a FIN, by a RST, by a timeout, or by another error.
const (
	EndedLocal Ending = iota + 1
	EndedFIN
	EndedReset
	EndedError
	EndedTimeout
)

// String returns the ending in one word, empty where it is not known.
func (e Ending) String() string { return pick(e, "", "local", "fin", "reset", "error", "timeout") }

// Option is an option of a socket, of setsockopt(2).
type Option uint8

// The options of level SOL_TLS (include/uapi/linux/tls.h), and the one of level
// SOL_TCP that switches TLS on.
const (
	OptionTX          Option = 1
	OptionRX          Option = 2
	OptionTXZeroCopy  Option = 3
	OptionExpectNoPad Option = 4
	OptionULP         Option = 31
)

// String returns the option's name, option_N for others and the empty string for 0.
func (o Option) String() string {
	switch o {
	case 0:
		return ""
	case OptionULP:
		return "TCP_ULP"
	}
	if name := pick(o, "", "TLS_TX", "TLS_RX", "TLS_TX_ZEROCOPY_RO", "TLS_RX_EXPECT_NO_PAD"); name != "" {
		return name
	}
	return "option_" + strconv.Itoa(int(o))
}

// Version is a TLS version on the wire: 0x0303 or 0x0304, or what a program has asked
// for in vain; or DTLS12.
type Version uint16

// DTLS12 is DTLS 1.2 on the wire (RFC 6347 §4.1).
const DTLS12 Version = 0xfefd

// Proto is the protocol of a record. The numbers are those of the kernel side (enum proto
// of bpf/ktls_event.h).
type Proto uint8

// Protocols.
const (
	ProtoTLS  Proto = 1
	ProtoDTLS Proto = 2
)

// String returns "tls" or "dtls".
func (p Proto) String() string {
	if p == ProtoDTLS {
		return "dtls"
	}
	return "tls"
}

// Proto is the protocol that a version is one of.
func (v Version) Proto() Proto {
	if v.IsDTLS() {
		return ProtoDTLS
	}
	return ProtoTLS
}

// IsDTLS says whether records are datagrams: they may be lost on their way, come twice,
// or in another order. DTLS counts its versions down from 0xfeff.
func (v Version) IsDTLS() bool { return v>>8 == 0xfe }

// String returns "1.2", "1.3", "DTLS1.2", or the empty string.
func (v Version) String() string {
	switch v {
	case 0x0301:
		return "1.0"
	case 0x0302:
		return "1.1"
	case 0x0303:
		return "1.2"
	case 0x0304:
		return "1.3"
	case DTLS12:
		return "DTLS1.2"
	}
	return ""
}

// Cipher is a TLS_CIPHER_ number of include/uapi/linux/tls.h.
type Cipher uint16

var ciphers = map[Cipher]string{
	51: "AES-GCM-128", 52: "AES-GCM-256", 53: "AES-CCM-128", 54: "CHACHA20-POLY1305",
	55: "SM4-GCM", 56: "SM4-CCM", 57: "ARIA-GCM-128", 58: "ARIA-GCM-256",
}

// String returns the kernel's name with dashes, or the empty string.
func (c Cipher) String() string { return ciphers[c] }

// Tier says how much of a payload may leave the kernel (docs/design.md, "Tiers").
type Tier uint8

// The tiers, from the most private on.
const (
	// TierNone lets nothing of a plaintext out, TierSnap its first bytes.
	TierNone Tier = iota
	TierSnap
)

// String returns "none" or "snap".
func (t Tier) String() string { return pick(t, "none", "snap") }

var alerts = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
	40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate",
	44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
	51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security",
	80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled",
	100: "no_renegotiation", 109: "missing_extension", 110: "unsupported_extension",
	112: "unrecognized_name", 113: "bad_certificate_status_response",
	115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
}

// AlertDescription returns RFC 8446 §6's name of an alert, or alert_N.
func AlertDescription(d uint8) string { return named(alerts, d, "alert_") }

// AlertLevel returns "warning", "fatal", or level_N.
func AlertLevel(l uint8) string {
	switch l {
	case 1:
		return "warning"
	case 2:
		return "fatal"
	}
	return "level_" + strconv.Itoa(int(l))
}

var handshakes = map[uint8]string{
	0: "hello_request", 1: "client_hello", 2: "server_hello", 4: "new_session_ticket",
	5: "end_of_early_data", 8: "encrypted_extensions", 11: "certificate",
	12: "server_key_exchange", 13: "certificate_request", 14: "server_hello_done",
	15: "certificate_verify", 16: "client_key_exchange", 20: "finished",
	24: "key_update", 254: "message_hash",
}

// HandshakeType returns RFC 8446 §4's name of a message, or handshake_N.
func HandshakeType(t uint8) string { return named(handshakes, t, "handshake_") }

// UnknownMessage is what a Handshake record is called whose messages are not known.
const UnknownMessage = "unknown"

// FirstMessage names the first message of a Handshake record.
func (c *Control) FirstMessage() string {
	if len(c.Handshakes) == 0 {
		return UnknownMessage
	}
	return HandshakeType(c.Handshakes[0])
}

// MessageNames names all messages of a Handshake record in one line.
func (c *Control) MessageNames() string {
	if len(c.Handshakes) == 0 {
		return UnknownMessage
	}
	var b strings.Builder
	if c.ContinuesPrevious {
		b.WriteString("rest of ")
	}
	for i, t := range c.Handshakes {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(HandshakeType(t))
	}
	if more := c.Messages - len(c.Handshakes); more > 0 {
		b.WriteString(" and " + strconv.Itoa(more) + " more")
	}
	if c.ContinuesInNext {
		b.WriteString(", which goes on")
	}
	return b.String()
}

// Describe says what a connection holds back, a phrase for each thing; span writes
// nanoseconds.
func (h *Held) Describe(span func(uint64) string) (out []string) {
	if h.OpenBytes > 0 {
		s := fmt.Sprintf("tx %d B in an open record", h.OpenBytes)
		if h.OpenFor > 0 {
			s += " for " + span(h.OpenFor)
		}
		out = append(out, s)
	}
	if h.Incomplete > 0 {
		s := fmt.Sprintf("rx %d B of a record", h.Incomplete)
		if h.RecordBytes > 0 {
			s += fmt.Sprintf(" of %d", h.RecordBytes)
		}
		if h.QuietFor > 0 {
			s += ", nothing more for " + span(h.QuietFor)
		}
		out = append(out, s)
	}
	if h.Unread > 0 {
		s := "s"
		if h.Unread == 1 {
			s = ""
		}
		out = append(out, fmt.Sprintf("rx %d record%s opened and not read, %d B", h.Unread, s, h.UnreadBytes))
	}
	if h.AwaitsKey {
		s := "rx waits for a new key"
		if h.AwaitsKeyFor > 0 {
			s += " for " + span(h.AwaitsKeyFor)
		}
		out = append(out, s)
	}
	return out
}

func named(names map[uint8]string, n uint8, prefix string) string {
	if s, ok := names[n]; ok {
		return s
	}
	return prefix + strconv.Itoa(int(n))
}

// DropReason says why a record that came was not read (kmod/af_ktls/hooks.h).
type DropReason uint8

// The reasons.
const (
	// DropReplay had come before, DropTooOld is left of the window in which that is known.
	DropReplay DropReason = iota + 1
	DropTooOld
	// DropBadTag is not what the peer sealed.
	DropBadTag
	// DropEpoch is sealed with keys that the kernel does not have, DropToUser is none
	// that it opens: both stay with the program.
	DropEpoch
	// DropFull found no room in the receive buffer, DropFiltered was refused by a socket filter.
	DropFull
	DropFiltered
	DropMalformed
	DropNoMemory
	// DropUnread was opened, and the socket closed before anybody read it.
	DropUnread
	DropToUser
)

// String returns the reason in one word.
func (r DropReason) String() string {
	return pick(r, "unknown", "replay", "too_old", "bad_tag", "other_epoch", "buffer_full", "filtered", "malformed", "no_memory", "unread", "to_program")
}

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

// Dir is a direction, seen from the owner of the socket.
type Dir uint8

// The directions. They index arrays of two elements. pkg/ktls, which imports nothing of
// this module, has names and numbers of its own (ARCHITECTURE.md, "Packages").
const (
	TX Dir = iota
	RX
)

// String returns "tx" or "rx".
func (d Dir) String() string { return pick(d, "tx", "rx") }

// ParseDir returns the direction whose String method returns s, and an error for any
// other s.
func ParseDir(s string) (Dir, error) {
	switch s {
	case "tx":
		return TX, nil
	case "rx":
		return RX, nil
	}
	return 0, fmt.Errorf("direction %q is neither tx nor rx", s)
}

// Op is the kind of call in which the kernel encrypted or decrypted a record.
type Op uint8

// The operations.
const (
	// OpNone is work of the kernel outside of any call.
	OpNone Op = iota
	// OpSend is write(2), send(2) and the like. OpSendfile and OpSplice are sendfile(2)
	// and splice(2) to the socket.
	OpSend
	OpSendfile
	OpSplice
	// OpRecv is read(2), recv(2) and the like. OpSpliceRead is splice(2) from the
	// socket. OpReadSock is a reader inside the kernel (read_sock of struct
	// proto_ops).
	OpRecv
	OpSpliceRead
	OpReadSock
	// OpUringSend and OpUringRecv are operations of io_uring, in io_uring_enter(2) or
	// in a worker of the kernel.
	OpUringSend
	OpUringRecv
)

// String returns the name of the operation, such as "sendfile"; empty for OpNone.
func (o Op) String() string {
	return pick(o, "", "send", "sendfile", "splice", "recv", "splice_read", "read_sock", "uring_send", "uring_recv")
}

// Mode is who encrypts or decrypts one direction of a connection.
type Mode uint8

// The modes. Their numbers are those of tx_conf and rx_conf (TLS_BASE and the following
// of include/net/tls.h).
const (
	// ModeNone: the kernel has no key for this direction.
	ModeNone Mode = iota
	// ModeSW: the kernel, in software.
	ModeSW
	// ModeHW: the network card. ModeHWRecord: a network card that also implements TCP.
	ModeHW
	ModeHWRecord
)

// String returns "none", "sw" or "hw".
func (m Mode) String() string { return pick(m, "none", "sw", "hw", "hw") }

// Card is how much of a received record the network card had decrypted when the kernel
// processed it.
type Card uint8

// The amounts.
const (
	// CardNotAsked: no network card decrypts this direction.
	CardNotAsked Card = iota
	// CardAll, CardPart and CardNone: all packets of the record, some, or none. The
	// kernel decrypts what the card did not.
	CardAll
	CardPart
	CardNone
)

// String returns "all", "part", "none" or the empty string.
func (c Card) String() string { return pick(c, "", "all", "part", "none") }

// Family is the address family of a socket.
type Family uint8

// The families, with the numbers that Linux gives them.
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

// ContentType is the content type of a record (RFC 8446 §5.1).
type ContentType uint8

// The content types.
const (
	ChangeCipherSpec ContentType = 20
	Alert            ContentType = 21
	Handshake        ContentType = 22
	ApplicationData  ContentType = 23
)

// String returns the name that RFC 8446 has for the type, or "type_N".
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

// Ending is the state of a TCP connection when this side closed its socket.
type Ending uint8

// The endings.
const (
	// EndedLocal: the connection had not ended; this side ends it.
	EndedLocal Ending = iota + 1
	// EndedFIN and EndedReset: a FIN or a RST had ended it.
	EndedFIN
	EndedReset
	// EndedError: it had failed, with an error that is not one of the others.
	EndedError
	// EndedTimeout: it had timed out.
	EndedTimeout
)

// String returns the ending in one word; empty if it is not known.
func (e Ending) String() string { return pick(e, "", "local", "fin", "reset", "error", "timeout") }

// Option is a socket option of setsockopt(2) and getsockopt(2).
type Option uint8

// The options of level SOL_TLS (include/uapi/linux/tls.h), and OptionULP, the option
// TCP_ULP of level SOL_TCP, which enables TLS on a socket.
const (
	OptionTX          Option = 1
	OptionRX          Option = 2
	OptionTXZeroCopy  Option = 3
	OptionExpectNoPad Option = 4
	OptionULP         Option = 31
)

// String returns the name of the option, such as "TLS_TX"; "option_N" for an option that
// it does not know, and the empty string for 0.
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

// Version is a protocol version as it is on the wire: 0x0303 for TLS 1.2, 0x0304 for
// TLS 1.3, or DTLS12. An Error has any version that a program asked for.
type Version uint16

// DTLS12 is DTLS 1.2 (RFC 6347 §4.1).
const DTLS12 Version = 0xfefd

// Proto is the protocol of a record. The numbers are those of the BPF programs (enum proto
// of bpf/ktls_event.h).
type Proto uint8

// The protocols.
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

// Proto returns the protocol that v is a version of.
func (v Version) Proto() Proto {
	if v.IsDTLS() {
		return ProtoDTLS
	}
	return ProtoTLS
}

// IsDTLS reports whether v is a version of DTLS, whose records can be lost, duplicated or
// reordered. DTLS counts its versions down from 0xfeff.
func (v Version) IsDTLS() bool { return v>>8 == 0xfe }

// String returns "1.0" to "1.3", "DTLS1.2", or the empty string for other versions.
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

// Cipher is a cipher, as a TLS_CIPHER_ number of include/uapi/linux/tls.h.
type Cipher uint16

var ciphers = map[Cipher]string{
	51: "AES-GCM-128", 52: "AES-GCM-256", 53: "AES-CCM-128", 54: "CHACHA20-POLY1305",
	55: "SM4-GCM", 56: "SM4-CCM", 57: "ARIA-GCM-128", 58: "ARIA-GCM-256",
}

// String returns the kernel's name with dashes, such as "AES-GCM-128", or the empty
// string.
func (c Cipher) String() string { return ciphers[c] }

// Tier is how much plaintext may leave the kernel (docs/design.md, "Tiers").
type Tier uint8

// The tiers, from the most private one.
const (
	// TierNone: no plaintext. TierSnap: the first bytes of each record.
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

// AlertDescription returns the name that RFC 8446 §6 (or an earlier TLS) has for an alert
// description, or "alert_N".
func AlertDescription(d uint8) string { return named(alerts, d, "alert_") }

// AlertLevel returns "warning", "fatal", or "level_N".
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

// HandshakeType returns the name that RFC 8446 §4 (or an earlier TLS) has for a message
// type, or "handshake_N".
func HandshakeType(t uint8) string { return named(handshakes, t, "handshake_") }

// UnknownMessage is the name of a Handshake record whose messages are not known.
const UnknownMessage = "unknown"

// FirstMessage returns the name of the first message of a Handshake record, or
// UnknownMessage.
func (c *Control) FirstMessage() string {
	if len(c.Handshakes) == 0 {
		return UnknownMessage
	}
	return HandshakeType(c.Handshakes[0])
}

// MessageNames returns the names of all messages of a Handshake record in one line, or
// UnknownMessage.
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

// Describe returns a phrase for each thing that the connection holds back. span formats
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

// DropReason is why no program read a received DTLS record (kmod/af_ktls/hooks.h).
type DropReason uint8

// The reasons.
const (
	// DropReplay: the record had arrived before. DropTooOld: it is older than the
	// replay window (RFC 6347 §4.1.2.6).
	DropReplay DropReason = iota + 1
	DropTooOld
	// DropBadTag: authentication failed.
	DropBadTag
	// DropEpoch: the kernel does not have the keys of the record's epoch; the record
	// stays with the program.
	DropEpoch
	// DropFull: the receive buffer was full. DropFiltered: a socket filter rejected the
	// record.
	DropFull
	DropFiltered
	// DropMalformed: the record is malformed. DropNoMemory: the kernel had no memory.
	DropMalformed
	DropNoMemory
	// DropUnread: the kernel decrypted the record, and the socket was closed before a
	// program read it.
	DropUnread
	// DropToUser: the kernel does not decrypt records of this type; the record stays
	// with the program.
	DropToUser
)

// String returns the reason in one word, such as "replay".
func (r DropReason) String() string {
	return pick(r, "unknown", "replay", "too_old", "bad_tag", "other_epoch", "buffer_full", "filtered", "malformed", "no_memory", "unread", "to_program")
}

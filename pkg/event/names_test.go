package event

import (
	"fmt"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		got  fmt.Stringer
		want string
	}{
		{TX, "tx"}, {RX, "rx"}, {Dir(7), "tx"},
		{OpNone, ""}, {OpSend, "send"}, {OpSendfile, "sendfile"}, {OpSplice, "splice"}, {OpRecv, "recv"},
		{OpSpliceRead, "splice_read"}, {OpReadSock, "read_sock"}, {Op(99), ""},
		{ModeNone, "none"}, {ModeSW, "sw"}, {ModeHW, "hw"}, {ModeHWRecord, "hw"}, {Mode(9), "none"},
		{FamilyINET, "inet"}, {FamilyINET6, "inet6"}, {Family(1), ""},
		{ChangeCipherSpec, "change_cipher_spec"}, {Alert, "alert"}, {Handshake, "handshake"},
		{ApplicationData, "application_data"}, {ContentType(0), "type_0"}, {ContentType(255), "type_255"},
		{Version(0x0303), "1.2"}, {Version(0x0304), "1.3"}, {Version(0x0301), "1.0"}, {Version(0x0302), "1.1"}, {Version(0x0300), ""}, {DTLS12, "DTLS1.2"},
		{DTLS12.Proto(), "dtls"}, {Version(0x0303).Proto(), "tls"}, {Version(0).Proto(), "tls"},
		{DropReplay, "replay"}, {DropEpoch, "other_epoch"}, {DropFull, "buffer_full"}, {DropUnread, "unread"}, {DropToUser, "to_program"}, {DropReason(0), "unknown"}, {DropReason(15), "unknown"},
		{OptionULP, "TCP_ULP"}, {OptionTX, "TLS_TX"}, {OptionExpectNoPad, "TLS_RX_EXPECT_NO_PAD"}, {Option(9), "option_9"}, {Option(0), ""},
		{Cipher(51), "AES-GCM-128"}, {Cipher(52), "AES-GCM-256"}, {Cipher(53), "AES-CCM-128"},
		{Cipher(54), "CHACHA20-POLY1305"}, {Cipher(55), "SM4-GCM"}, {Cipher(56), "SM4-CCM"},
		{Cipher(57), "ARIA-GCM-128"}, {Cipher(58), "ARIA-GCM-256"}, {Cipher(0), ""},
		{TierNone, "none"}, {TierSnap, "snap"}, {Tier(9), "none"},
		{SocketFound, "found"}, {SocketOpen, "open"}, {SocketRekey, "rekey"}, {SocketClose, "close"}, {SocketState(0), "unknown"},
	} {
		if got := c.got.String(); got != c.want {
			t.Errorf("%T(%v) is %q, want %q", c.got, c.got, got, c.want)
		}
	}
}

func TestParseDir(t *testing.T) {
	for _, d := range []Dir{TX, RX} {
		if got, err := ParseDir(d.String()); got != d || err != nil {
			t.Errorf("ParseDir(%q) = %v, %v", d, got, err)
		}
	}
	if _, err := ParseDir("both"); err == nil {
		t.Error("both is a direction")
	}
}

func TestControlNames(t *testing.T) {
	for got, want := range map[string]string{
		AlertLevel(1): "warning", AlertLevel(2): "fatal", AlertLevel(0): "level_0",
		AlertDescription(0): "close_notify", AlertDescription(20): "bad_record_mac", AlertDescription(255): "alert_255",
		HandshakeType(24): "key_update", HandshakeType(4): "new_session_ticket", HandshakeType(99): "handshake_99",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSetupStep: what a socket was refused to set is a step of setting TLS up, whatever it
// was; what it asked is none, and a record neither.
func TestSetupStep(t *testing.T) {
	for _, c := range []struct {
		e    Error
		want string
	}{
		{Error{Option: OptionULP, Func: "tcp_set_ulp"}, "ulp"}, {Error{Option: OptionTX, Func: "tls_setsockopt"}, "tx"},
		{Error{Option: OptionRX, Func: "tls_setsockopt"}, "rx"}, {Error{Option: OptionTXZeroCopy, Func: "tls_setsockopt"}, "TLS_TX_ZEROCOPY_RO"},
		{Error{Option: OptionTX, Func: "tls_getsockopt"}, ""}, {Error{Func: "tls_rx_one_record"}, ""},
	} {
		if got := c.e.SetupStep(); got != c.want {
			t.Errorf("%v of %s: %q, want %q", c.e.Option, c.e.Func, got, c.want)
		}
	}
}

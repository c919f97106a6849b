package match_test

import (
	"net/netip"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func parse(t *testing.T, s string) *match.Expr {
	t.Helper()
	e, err := match.Parse(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return e
}

// request is a record as a web server reads it.
func request() *event.Record {
	return &event.Record{
		Conn: event.Conn{Cookie: 8193, NetNS: 4026531840, Family: event.FamilyINET6, LAddr: netip.MustParseAddr("::ffff:192.0.2.1"),
			RAddr: netip.MustParseAddr("::ffff:198.51.100.7"), LPort: 443, RPort: 51234},
		TLS:  event.TLS{Version: 0x0304, Cipher: 52, Mode: event.ModeSW},
		Proc: event.Process{PID: 4242, TID: 4243, UID: 33, Comm: event.MakeComm("Nginx"), CgroupID: 7731},
		Dir:  event.RX, Seq: 5, Type: event.ApplicationData, Len: 40, Op: event.OpRecv,
		Lat:     event.Latency{Stage: [3]uint64{300_000, 5_000_000, 0}},
		Payload: []byte("GET /password HTTP/1.1\r\nHost: example\r\n\r\n")[:40],
	}
}

func TestEvalRecord(t *testing.T) {
	r := request()
	s := match.OfRecord(r)
	for expr, want := range map[string]bool{
		"":                                true,
		"dir == rx and len == 40":         true,
		"dir == tx or len > 40":           false,
		"comm == Nginx":                   true,
		"comm == nginx":                   false,
		"comm contains gin":               true,
		"comm != nginx":                   true,
		"container == web":                false,
		"container != web":                false, // it has none
		"raddr in 198.51.100.0/24":        true,
		"raddr == ::ffff:198.51.100.7":    true,
		"raddr in ::/0":                   false, // it is IPv4
		"addr == 192.0.2.1":               true,
		"laddr != 192.0.2.1":              false,
		"port == 443":                     true,
		"port == 51234":                   true,
		"port != 443":                     false,
		"port not in (80, 8080)":          true,
		"lport == 51234":                  false,
		"version >= 1.3 mode == sw":       true,
		"cipher == aes-gcm-256":           true,
		"op == recv and type == data":     true,
		"event == record":                 true,
		"event in (error, socket)":        false,
		"errno == EBADMSG":                false,
		"errno != EBADMSG":                false, // it has not failed
		"not errno == EBADMSG":            true,
		"alert == close_notify":           false,
		"alert != close_notify":           false, // it is no alert
		"not alert == close_notify":       true,
		"lat.wait == 300us":               true,
		"lat.decrypt >= 5ms":              true,
		"lat.deliver < 1s":                false, // it was not seen
		"not lat.deliver < 1s":            true,
		"lat.encrypt > 0s":                false, // of the other direction
		"lat.total != 1s":                 false,
		`payload[0:4] == "GET "`:          true,
		`payload[:3] in ("GET", "PUT")`:   true,
		`payload[0:3] != "GET"`:           false,
		`payload[39:41] != "xx"`:          false, // it is shorter
		"payload contains password":       true,
		"payload contains Password":       false,
		"nginx":                           true,
		"198.51 443 GCM-256 application_": true,
		"apache":                          false,
		"gcm-256nginx":                    false,
	} {
		if got := parse(t, expr).Eval(&s); got != map[bool]match.Answer{true: match.Yes, false: match.No}[want] {
			t.Errorf("%s: %d, want %v", expr, got, want)
		}
	}
}

func TestEvalControl(t *testing.T) {
	r := request()
	r.Type, r.Control = event.Alert, &event.Control{AlertLevel: 2, AlertDescription: 20}
	s := match.OfRecord(r)
	for expr, want := range map[string]match.Answer{
		"alert == bad_record_mac and alert.level == fatal": match.Yes, "alert == 0": match.No, "handshake == 0": match.No, "alert != 0": match.Yes,
	} {
		if got := parse(t, expr).Eval(&s); got != want {
			t.Errorf("%s: %d, want %d", expr, got, want)
		}
	}
	r.Type, r.Control = event.Handshake, &event.Control{Handshakes: []uint8{24}, Messages: 1}
	if parse(t, "handshake == key_update and not alert == 0").Eval(&s) != match.Yes {
		t.Error("no key update")
	}
}

// Where not all of the plaintext is there, what is not found may be behind.
func TestEvalPartOfPayload(t *testing.T) {
	r := request()
	r.Payload = r.Payload[:8]
	s := match.OfRecord(r)
	for expr, want := range map[string]match.Answer{
		`payload[0:4] == "GET "`: match.Yes, "payload contains password": match.Maybe, "payload contains T": match.Yes,
		`payload[6:10] == "abcd"`: match.Maybe,
	} {
		if got := parse(t, expr).Eval(&s); got != want {
			t.Errorf("%s: %d, want %d", expr, got, want)
		}
	}
	hits := uint16(2)
	s.Hits = &hits
	for expr, want := range map[string]match.Answer{
		"payload contains G or payload contains H": match.Yes, "payload contains G": match.No, "payload contains G and payload contains H": match.No,
	} {
		if got := parse(t, expr).Eval(&s); got != want {
			t.Errorf("%s by the kernel's bits: %d, want %d", expr, got, want)
		}
	}
}

// What is no record leaves open what only records have.
func TestEvalOthers(t *testing.T) {
	r := request()
	socket := &event.Socket{State: event.SocketRekey, Conn: r.Conn, Proc: r.Proc, TX: event.TLS{Version: 0x0303, Cipher: 51, Mode: event.ModeSW},
		RX: event.TLS{Version: 0x0303, Cipher: 52, Mode: event.ModeHW}}
	failure := &event.Error{Errno: 74, Conn: r.Conn, Proc: r.Proc, TLS: r.TLS, Dir: event.RX, Seq: 5, Type: event.ApplicationData}
	for expr, want := range map[string][2]match.Answer{
		"port == 443":                     {match.Yes, match.Yes},
		"port == 80":                      {match.No, match.No},
		"len > 4000":                      {match.Maybe, match.Maybe},
		"not len > 4000":                  {match.Maybe, match.Maybe},
		"port == 80 and len > 4000":       {match.No, match.No},
		"port == 443 or len > 4000":       {match.Yes, match.Yes},
		"event == rekey":                  {match.Yes, match.No},
		"event in (error, socket)":        {match.Yes, match.Yes},
		"event == record":                 {match.No, match.No},
		"errno == EBADMSG":                {match.No, match.Yes},
		"errno in (5, EPIPE)":             {match.No, match.No},
		"seq == 5":                        {match.Maybe, match.Yes},
		"dir == tx":                       {match.Yes, match.No},
		"dir == tx and mode == hw":        {match.No, match.No},
		"dir == rx and cipher == 52":      {match.Yes, match.Yes},
		"payload contains x lat.wait>1ms": {match.Maybe, match.Maybe},
	} {
		e := parse(t, expr)
		s := match.OfError(failure)
		if got := [2]match.Answer{e.OfSocket(socket), e.Eval(&s)}; got != want {
			t.Errorf("%s: socket and error %d, want %d", expr, got, want)
		}
	}
	if parse(t, "dir == tx").OfSocket(&event.Socket{}) != match.Maybe {
		t.Error("a socket without a direction has one")
	}
}

package sink

import (
	"net/netip"
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// offset makes the monotonic time 0 2026-11-22 18:08:28.888888899 UTC.
const offset = 1795370908888888899

// The events below are those of docs/events.md.

func sampleConn() event.Conn {
	return event.Conn{
		ID: 1, Cookie: 8193, NetNS: 4026531840, Family: event.FamilyINET,
		LAddr: netip.MustParseAddr("192.0.2.1"), LPort: 443,
		RAddr: netip.MustParseAddr("192.0.2.9"), RPort: 51234,
	}
}

func sampleProc() event.Process {
	return event.Process{PID: 4242, TID: 4242, UID: 33, Comm: event.MakeComm("nginx"), CgroupID: 7731, Place: &event.Place{Unit: "nginx.service"}}
}

func sampleTLS() event.TLS { return event.TLS{Version: 0x0304, Cipher: 52, Mode: event.ModeSW} }

func sampleRecord() *event.Record {
	return &event.Record{
		Conn: sampleConn(), TLS: sampleTLS(), Proc: sampleProc(),
		Dir: event.TX, Seq: 12, Type: event.ApplicationData, Len: 16384, Op: event.OpSendfile,
		Mono: 91234567890, Lat: event.Latency{Stage: [3]uint64{310, 5200, 900}, Total: 6410},
	}
}

func sampleReceived() *event.Record {
	r := sampleRecord()
	r.Dir, r.Seq, r.Len, r.Op = event.RX, 3, 78, event.OpRecv
	r.Lat = event.Latency{Stage: [3]uint64{1200, 2100, 450}, Total: 3750}
	r.Call = event.Call{Records: 3, Time: 9100}
	r.Payload = []byte("GET /index.html HTTP/1.1\r\nHost: \x1b[31mexample\x1b[0m\r\n\r\n")
	return r
}

func sampleAlert() *event.Record {
	r := sampleRecord()
	r.Seq, r.Len, r.Op, r.Type = 13, 2, event.OpSend, event.Alert
	r.Control = &event.Control{AlertLevel: 1}
	return r
}

func sampleKeyUpdate() *event.Record {
	r := sampleRecord()
	r.Dir, r.Seq, r.Len, r.Op, r.Type = event.RX, 4, 5, event.OpRecv, event.Handshake
	r.Control = &event.Control{Handshakes: []uint8{24}, Messages: 1}
	r.Proc.Place = &event.Place{Unit: "kubepods-burstable.slice", Container: strings.Repeat("0123456789abcdef", 4),
		Namespace: "shop", Pod: "web-7d4b9c-x2x8v", ContainerName: "front", PodUID: "0d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6"}
	return r
}

// sampleOdd has all that is hostile, long or missing.
func sampleOdd() *event.Record {
	r := sampleRecord()
	r.Conn = event.Conn{ID: 2, RAddr: netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:5678"), RPort: 65535, Family: event.FamilyINET6}
	r.Proc = event.Process{PID: 4194304, Comm: event.MakeComm("\x1b[2J\xff日本語\u202e"), Kernel: true,
		Place: &event.Place{Container: "\x1b[2J\xff", Unit: "\u202e.service", PodUID: "\n"}}
	r.TLS = event.TLS{Version: 0x0301, Cipher: 999, Mode: event.ModeHW, ZeroCopy: true}
	r.Seq, r.Len, r.Type, r.Op = 1<<64-1, 0, 99, event.OpNone
	r.Lat = event.Latency{Total: 90e9}
	return r
}

func sampleSocket(state event.SocketState) *event.Socket {
	return &event.Socket{
		State: state, Conn: sampleConn(), Proc: sampleProc(), Mono: 91234567890, Dir: event.RX,
		TX: sampleTLS(), RX: sampleTLS(), NextTX: 14, NextRX: 0, GenRX: 1,
		Totals: event.Totals{Records: [2]uint64{14, 5}, Bytes: [2]uint64{229378, 395}},
		Hidden: [2]uint64{0, 2},
	}
}

// sampleCard is a network card that goes away.
func sampleCard() *event.Socket {
	s := sampleSocket(event.SocketCard)
	s.Offload = &event.Offload{Resyncs: [2]uint64{0, 4}, Fallback: 2, Removed: true}
	return s
}

// sampleCardRecord was opened by a network card in part.
func sampleCardRecord() *event.Record {
	r := sampleKeyUpdate()
	r.TLS.Mode, r.TLS.Card, r.Type, r.Control = event.ModeHW, event.CardPart, event.ChangeCipherSpec, nil
	return r
}

func sampleError() *event.Error {
	return &event.Error{
		Conn: sampleConn(), TLS: sampleTLS(), Proc: sampleProc(), Mono: 91234567890,
		Dir: event.RX, Errno: 74, Func: "tls_rx_one_record", Seq: 5, Type: event.ApplicationData,
	}
}

func sampleGap() *event.Lost {
	c := sampleConn()
	return &event.Lost{Mono: 91234567890, Cause: "gap", Count: 3, Conn: &c, Dir: event.TX, First: 14, Last: 16}
}

func sampleRingLoss() *event.Lost {
	return &event.Lost{Mono: 91234567890, Cause: "ring_full", Count: 120, Dir: event.RX, HasDir: true}
}

func sampleSummary() *event.Summary {
	return &event.Summary{
		Mono: 91234567890, Duration: 10 * time.Second, Tier: event.TierSnap,
		Totals:  event.Totals{Records: [2]uint64{14, 5}, Bytes: [2]uint64{229378, 395}},
		Sockets: 1, Errors: 1, Lost: map[string]uint64{"ring_full": 120, "gap": 3}, Forgotten: 2, Duplicates: 4, Evicted: map[string]uint64{"packets": 3, "counts": 1},
		Missing:  []string{"tls_rx_msg_ready: no wait time of records received"},
		Cost:     []event.ProgramCost{{Name: "bpf_exec_tx_verdict", Runs: 14, Nanos: 22400, Skipped: 2}},
		CostOver: 100 * time.Millisecond,
	}
}

func sampleHost() *event.Host {
	return &event.Host{Mono: 91234567890, State: event.HostHere, Name: "web1", Kernel: "6.12.57+deb13-amd64", Version: "0.9.0",
		Filter: "--port 443", Missing: []string{"tls_rx_msg_ready: no wait time of records received"}}
}

// sampleAway is a host whose feed broke off, sampleBack the same when it is back.
func sampleAway() *event.Host {
	return &event.Host{Mono: 91234567890, State: event.HostAway, Name: "web1", Reason: "connection refused \x1b[2J"}
}

func sampleBack() *event.Host {
	h := sampleHost()
	h.Filter, h.Missing, h.Away = "", nil, 12*time.Second
	return h
}

func sampleHTTP() *finding.HTTP {
	return &finding.HTTP{
		Conn: sampleConn(), TLS: sampleTLS(), Proc: sampleProc(), Mono: 91234567890, Dir: event.RX,
		Version: "1.1", Duration: 3210000, End: finding.Complete,
		Request: &finding.Request{Method: "GET", Path: "/index.html", Host: "example.org", Message: finding.Message{
			Headers: []finding.Header{{Name: "Host", Value: "example.org"}, {Name: "Authorization", Value: "*****"}}, HeadLen: 71}},
		Response: &finding.Response{Status: 200, Message: finding.Message{
			Headers: []finding.Header{{Name: "Content-Length", Value: "16384"}}, HeadLen: 42, BodyLen: 16384}},
	}
}

// sampleOddHTTP lacks the request, and its status is not known.
func sampleOddHTTP() *finding.HTTP {
	h := sampleHTTP()
	h.Version, h.Stream, h.Request, h.Duration, h.End = "2", 5, nil, 0, finding.Reset
	h.Response = &finding.Response{Message: finding.Message{BodyLen: 7}}
	return h
}

// sampleJoined went through a proxy, which tried two servers.
func sampleJoined() *finding.HTTP {
	h := sampleHTTP()
	var legs [2]*finding.HTTP
	for i := range legs {
		up := sampleHTTP()
		up.Dir, up.Duration, up.Conn.LPort, up.Conn.RPort = event.TX, 900000, uint16(40000+i), 8443
		up.Request.Path = "/shop/cart"
		legs[i] = up
	}
	legs[0].Response, legs[0].End, legs[0].Duration = nil, finding.Closed, 0
	h.Upstream = []finding.Upstream{{HTTP: legs[0], By: finding.ByOrder, After: 120000}, {HTTP: legs[1], By: finding.ByID, After: 1500000}}
	h.Request.Path, h.Added = "/cart", 2310000
	return h
}

// sampleAmbiguous may have been made for one of two.
func sampleAmbiguous() *finding.HTTP {
	h := sampleHTTP()
	h.Dir, h.Request.Path, h.Ambiguous = event.TX, "/news", 2
	return h
}

// sampleEvil is a request that would like to act on a terminal.
func sampleEvil() *finding.HTTP {
	h := sampleHTTP()
	h.Request.Method, h.Request.Path, h.Response, h.End = "\x1b[2J", "/\x9b31m\u202e", nil, finding.Unanswered
	h.Request.Headers = nil
	return h
}

func sampleExchange() *finding.Exchange {
	return &finding.Exchange{
		Conn: sampleConn(), TLS: sampleTLS(), Proc: sampleProc(), Mono: 91234567890, Dir: event.RX,
		Protocol: "imap", ID: "a7", Op: "LOGIN", Detail: "**** ****", Status: "OK", RequestLen: 20, ReplyLen: 61, Duration: 1200000,
		End: finding.Complete,
	}
}

// sampleOddExchange lacks the request, and its reply would like to act on a terminal.
func sampleOddExchange() *finding.Exchange {
	x := sampleExchange()
	x.Protocol, x.ID, x.Op, x.Detail, x.Status, x.RequestLen, x.Duration, x.End = "redis", "", "", "", "ERR \x1b[2J", 0, 0, finding.Gap
	return x
}

// sampleAsked has no reply.
func sampleAsked() *finding.Exchange {
	x := sampleExchange()
	x.Protocol, x.ID, x.Op, x.Detail, x.Status, x.ReplyLen, x.Duration, x.End = "smtp", "", "MAIL", "FROM:<a@example.org>", "", 0, 0, finding.Unanswered
	return x
}

func sampleNote() *finding.Note {
	return &finding.Note{Conn: sampleConn(), Proc: sampleProc(), Mono: 91234567890, Dir: event.TX,
		Text: "gap: 3 records are missing, of unknown length"}
}

func sampleDatagram() *event.Record {
	r := sampleRecord()
	r.TLS.Version, r.Conn.LPort, r.Proc.Comm = event.DTLS12, 4433, event.MakeComm("ocserv")
	r.Epoch, r.Seq, r.Len, r.Datagram, r.Op = 1, 1<<48-2, 1300, 1337, event.OpSend
	return r
}

func sampleDrop() *event.Drop {
	r := sampleDatagram()
	return &event.Drop{Conn: r.Conn, TLS: r.TLS, Proc: r.Proc, Mono: 91234567890, Epoch: 1, Seq: 77, Type: event.ApplicationData,
		Len: 1300, Datagram: 1337, Reason: event.DropReplay, Count: 3}
}

func sampleTrigger() *event.Trigger {
	return &event.Trigger{Mono: 91234569000, Expr: `errno == EBADMSG or payload contains "\x1b"`, Requested: 60e9, Kept: 59_870_000_000, Again: 2}
}

func samples() []event.Event {
	return []event.Event{
		sampleHost(), sampleSocket(event.SocketFound), sampleSocket(event.SocketOpen),
		sampleRecord(), sampleReceived(), sampleAlert(), sampleKeyUpdate(),
		sampleSocket(event.SocketRekey), sampleCardRecord(), sampleCard(), sampleOdd(), sampleError(), sampleGap(), sampleRingLoss(),
		sampleHTTP(), sampleOddHTTP(), sampleJoined(), sampleAmbiguous(), sampleEvil(), sampleExchange(), sampleOddExchange(), sampleAsked(),
		sampleNote(), sampleDatagram(), sampleDrop(), sampleTrigger(),
		sampleSocket(event.SocketClose), sampleAway(), sampleBack(), sampleSummary(),
	}
}

package otlp

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

var (
	conn = event.Conn{ID: 1, Cookie: 8193, NetNS: 4026531840, Family: event.FamilyINET6,
		LAddr: netip.MustParseAddr("::ffff:192.0.2.1"), RAddr: netip.MustParseAddr("192.0.2.9"), LPort: 443, RPort: 51234}
	nginx = event.Process{PID: 4242, TID: 4243, UID: 33, Comm: event.MakeComm("nginx\x1b[2J"), Place: &event.Place{Container: "c0ffee", Unit: "nginx.service", Namespace: "web", Pod: "front-1", ContainerName: "proxy", PodUID: "u-1"}}
	tls13 = event.TLS{Version: 0x0304, Cipher: 52, Mode: event.ModeSW}
	tls12 = event.TLS{Version: 0x0303, Cipher: 51, Mode: event.ModeHW}
)

// who are the attributes of nginx, where those of conn, by the names of the semantic
// conventions 1.44 where these have some.
var (
	who = map[string]any{
		"process.pid": 4242, "thread.id": 4243, "thread.name": "nginx\uFFFD[2J",
		"process.user.id": 33, "container.id": "c0ffee", "k8s.namespace.name": "web", "k8s.pod.name": "front-1", "k8s.pod.uid": "u-1", "k8s.container.name": "proxy", "ktls.unit": "nginx.service",
	}
	where = map[string]any{
		"network.local.address": "192.0.2.1", "network.local.port": 443,
		"network.peer.address": "192.0.2.9", "network.peer.port": 51234,
		"network.type": "ipv4", "network.transport": "tcp",
		"ktls.socket.cookie": 8193, "ktls.netns": 4026531840,
	}
	in13 = map[string]any{
		"tls.protocol.name": "tls", "tls.protocol.version": "1.3",
		"tls.cipher": "TLS_AES_256_GCM_SHA384", "ktls.cipher": "AES-GCM-256", "ktls.mode": "sw",
	}
	in12 = map[string]any{
		"tls.protocol.name": "tls", "tls.protocol.version": "1.2",
		"ktls.cipher": "AES-GCM-128", "ktls.mode": "hw",
	}
	transmit = map[string]any{"network.io.direction": "transmit"}
	receive  = map[string]any{"network.io.direction": "receive"}
)

func join(parts ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

// plain is attributesOf with numbers typed like constants.
func plain(r *logs.LogRecord) map[string]any {
	m := attributesOf(r.Attributes)
	for key, v := range m {
		if n, ok := v.(int64); ok {
			m[key] = int(n)
		}
	}
	return m
}

// shown is a log record in the form that tests compare.
type shown struct {
	Name     string
	Severity severity
	Attrs    map[string]any
}

// recorder is an outbox that keeps its records.
type recorder struct{ records []*logs.LogRecord }

func (r *recorder) put(rec *logs.LogRecord) { r.records = append(r.records, rec) }

func (r *recorder) shown() (all []shown) {
	for _, rec := range r.records {
		all = append(all, shown{rec.EventName, rec.SeverityNumber, plain(rec)})
	}
	return all
}

// newTestEvents returns events that writes to a recorder, and the clock of their guards.
func newTestEvents(cfg Config) (*events, *recorder, *clock) {
	cfg.Clock = sink.FixedClock(1e18)
	c := &clock{time.Unix(1000, 0)}
	r := new(recorder)
	return newEvents(&cfg, r, func() time.Time { return c.t }), r, c
}

func TestEvents(t *testing.T) {
	alert := &event.Record{Conn: conn, TLS: tls13, Proc: nginx, Dir: event.RX, Seq: 7, Gen: 1, Type: event.Alert, Len: 2,
		Control: &event.Control{AlertLevel: 2, AlertDescription: 20}}
	about := func(level uint8, description uint8) *event.Record {
		r := *alert
		r.Control = &event.Control{AlertLevel: level, AlertDescription: description}
		return &r
	}
	unread := *alert
	unread.Control = nil
	position := map[string]any{"ktls.record.seq": 7, "ktls.key.generation": 1}
	one := map[string]any{"ktls.count": 1}
	ofAlert := join(position, receive, who, where, in13, one, map[string]any{"ktls.record.type": "alert"})
	all := Config{Slow: time.Millisecond, Connections: true}
	both := map[string]any{"ktls.tx.mode": "sw", "ktls.rx.mode": "none"}
	without := func(m map[string]any, keys ...string) map[string]any {
		m = maps.Clone(m)
		for _, k := range keys {
			delete(m, k)
		}
		return m
	}
	for name, test := range map[string]struct {
		cfg  Config
		ev   event.Event
		want []shown
	}{
		"a record that cannot be opened": {all, &event.Error{Conn: conn, TLS: tls13, Proc: nginx, Dir: event.RX, Errno: 74, Func: "tls_rx_one_record",
			Seq: 7, Gen: 1, Type: event.ApplicationData, Hint: &event.Hint{ID: "never-opened", Text: "..."}},
			[]shown{{recordError, severe, join(position, receive, who, where, in13, one, map[string]any{"error.type": "EBADMSG",
				"ktls.func": "tls_rx_one_record", "ktls.record.type": "application_data", "ktls.hint": "never-opened"})}}},
		"calls that fail again and again": {all, &event.Error{Errno: 11, Func: "tls_sw_sendmsg", Dir: event.TX, More: 41},
			[]shown{{recordError, severe, join(transmit, map[string]any{"error.type": "EAGAIN", "ktls.func": "tls_sw_sendmsg",
				"ktls.record.seq": 0, "ktls.key.generation": 0, "network.transport": "tcp", "ktls.count": 42})}}},
		"a connection that is aborted": {all, &event.Error{Conn: conn, TLS: tls12, Proc: nginx, Dir: event.TX, Errno: 5, Func: "tls_err_abort"},
			[]shown{{connectionAbort, severe, join(transmit, who, where, in12, one, map[string]any{"error.type": "EIO",
				"ktls.func": "tls_err_abort", "ktls.record.seq": 0, "ktls.key.generation": 0})}}},
		"TLS is refused": {all, &event.Error{Conn: conn, Proc: nginx, Errno: 2, Func: "tcp_set_ulp", Option: event.OptionULP},
			[]shown{{setupFailed, warning, join(who, where, one, map[string]any{"error.type": "ENOENT", "ktls.func": "tcp_set_ulp", "ktls.setup.step": "ulp"})}}},
		"a key is refused": {all, &event.Error{Conn: conn, TLS: event.TLS{Version: 0x0304, Cipher: 54}, Proc: nginx, Dir: event.RX, Errno: 16, Func: "tls_setsockopt", Option: event.OptionRX},
			[]shown{{setupFailed, warning, join(receive, who, where, one, without(in13, "ktls.mode"), map[string]any{"error.type": "EBUSY",
				"ktls.func": "tls_setsockopt", "ktls.setup.step": "rx", "ktls.cipher": "CHACHA20-POLY1305", "tls.cipher": "TLS_CHACHA20_POLY1305_SHA256"})}}},
		"an option that cannot be read": {all, &event.Error{Errno: 22, Func: "tls_getsockopt", Option: event.OptionTX},
			[]shown{{recordError, severe, join(transmit, one, map[string]any{"error.type": "EINVAL", "ktls.func": "tls_getsockopt",
				"ktls.record.seq": 0, "ktls.key.generation": 0, "network.transport": "tcp"})}}},
		"a fatal alert":              {all, alert, []shown{{alertRecord, severe, join(ofAlert, map[string]any{"ktls.alert.level": "fatal", "ktls.alert.description": "bad_record_mac"})}}},
		"a warning":                  {all, about(1, 90), []shown{{alertRecord, warning, join(ofAlert, map[string]any{"ktls.alert.level": "warning", "ktls.alert.description": "user_canceled"})}}},
		"an alert that was not read": {all, &unread, nil},
		"close_notify":               {all, about(1, 0), nil},
		"close_notify, asked for":    {Config{CloseNotify: true}, about(1, 0), []shown{{alertRecord, warning, join(ofAlert, map[string]any{"ktls.alert.level": "warning", "ktls.alert.description": "close_notify"})}}},
		"one not read, asked for":    {Config{CloseNotify: true}, &unread, []shown{{alertRecord, warning, ofAlert}}},
		"a new key": {all, &event.Socket{State: event.SocketRekey, Conn: conn, Proc: nginx, Dir: event.RX, TX: tls12, RX: tls13, GenTX: 5, GenRX: 3, AwaitsKeyFor: 900},
			[]shown{{keyUpdate, info, join(receive, who, where, in13, one, map[string]any{"ktls.key.generation": 3, "ktls.key.awaited_ns": 900})}}},
		"a slow record": {all, &event.Record{Conn: conn, TLS: tls13, Proc: nginx, Dir: event.TX, Seq: 7, Gen: 1, Type: event.ApplicationData, Len: 16384, Op: event.OpSendfile,
			Lat: event.Latency{Stage: [3]uint64{1000, 0, 2e6}, Total: 2_001_000}},
			[]shown{{recordSlow, warning, join(position, transmit, who, where, in13, one, map[string]any{"ktls.record.type": "application_data", "ktls.record.length": 16384,
				"ktls.record.op": "sendfile", "ktls.record.duration_ns": 2_001_000, "ktls.record.queue_ns": 1000, "ktls.record.push_ns": 2_000_000})}}},
		"a record":              {all, &event.Record{Conn: conn, Lat: event.Latency{Total: uint64(time.Millisecond) - 1}, Type: event.ApplicationData}, nil},
		"slow is not asked for": {Config{}, &event.Record{Conn: conn, Lat: event.Latency{Total: 1e12}, Type: event.ApplicationData}, nil},
		"a connection begins": {all, &event.Socket{State: event.SocketOpen, Conn: conn, Proc: nginx, Dir: event.TX, TX: tls13},
			[]shown{{connectionOpen, info, join(transmit, who, where, in13, map[string]any{"ktls.connection.state": "open"})}}},
		"a connection was there": {all, &event.Socket{State: event.SocketFound, Conn: conn, Proc: nginx, TX: tls13},
			[]shown{{connectionOpen, info, join(both, who, where, without(in13, "ktls.mode"), map[string]any{"ktls.connection.state": "found"})}}},
		"a connection ends": {all, &event.Socket{State: event.SocketClose, Conn: conn, Proc: nginx, TX: tls13, NextTX: 9, Ended: event.EndedReset, Truncated: 12, UnsentBytes: 3},
			[]shown{{connectionClose, info, join(both, who, where, without(in13, "ktls.mode"), map[string]any{"ktls.connection.ended": "reset",
				"ktls.connection.truncated_bytes": 12, "ktls.connection.unsent_bytes": 3, "ktls.tx.next_seq": 9})}}},
		"connections are not asked for": {Config{}, &event.Socket{State: event.SocketOpen, Conn: conn}, nil},
		"its end neither":               {Config{}, &event.Socket{State: event.SocketClose, Conn: conn}, nil},
		"records are lost": {all, &event.Lost{Cause: "ring_full", Count: 12, Dir: event.RX, HasDir: true},
			[]shown{{traceLost, warning, join(receive, map[string]any{"ktls.lost.cause": "ring_full", "ktls.state": "begin", "ktls.count": 12})}}},
		"the trace ends by itself": {all, &event.Summary{Stopped: "max_cpu"},
			[]shown{{agentDetached, severe, map[string]any{"ktls.agent.reason": "max_cpu", "ktls.agent.detail": "the programs took more of a processor than they may"}}}},
		"the trace ends": {all, &event.Summary{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e, got, _ := newTestEvents(test.cfg)
			e.write(test.ev)
			if diff := cmp.Diff(test.want, got.shown()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An event has the time when it happened, and when it was observed; no body; a severity in
// words.
func TestEventTimes(t *testing.T) {
	e, got, c := newTestEvents(Config{})
	e.write(&event.Error{Errno: 74, Mono: 5e9})
	e.write(&event.Error{Errno: 5})
	if r := got.records[0]; r.TimeUnixNano != 1e18+5e9 || r.ObservedTimeUnixNano != nano(c.t) || r.Body != nil || r.SeverityText != "ERROR" {
		t.Errorf("%v", r)
	}
	if r := got.records[1]; r.TimeUnixNano != nano(c.t) {
		t.Errorf("without a time: %v", r)
	}
}

// Several new keys in a row on one connection are a warning; on many connections they are
// not.
func TestKeyStorm(t *testing.T) {
	e, got, c := newTestEvents(Config{})
	for i := range 100 {
		e.write(&event.Socket{State: event.SocketRekey, Conn: event.Conn{ID: uint64(i)}, Proc: nginx})
	}
	for _, r := range got.records {
		if r.SeverityNumber != info {
			t.Fatalf("%v of one key each", r.SeverityNumber)
		}
	}
	c.pass(time.Second)
	before := len(got.records)
	for range storm + 3 {
		e.write(&event.Socket{State: event.SocketRekey, Conn: event.Conn{ID: 1}, Proc: nginx})
	}
	warned := 0
	for _, r := range got.records[before:] {
		if r.SeverityNumber == warning {
			warned++
		}
	}
	if warned != 3 {
		t.Errorf("%d warnings of %d keys in a second", warned, storm+3)
	}
}

// A flood of one error becomes a few events that stand for all; other errors are not held
// back.
func TestFlood(t *testing.T) {
	e, got, c := newTestEvents(Config{})
	const n = 10_000
	for i := range n {
		e.write(&event.Error{Proc: nginx, Errno: 74, Func: "tls_rx_one_record"})
		if i%1000 == 999 {
			c.pass(100 * time.Millisecond)
			e.flush()
		}
	}
	e.write(&event.Error{Proc: event.Process{Comm: event.MakeComm("haproxy")}, Errno: 74})
	e.end()
	sum, other := 0, false
	for _, s := range got.shown() {
		sum += s.Attrs["ktls.count"].(int)
		other = other || s.Attrs["thread.name"] == "haproxy"
	}
	if sum != n+1 || !other || len(got.records) > 2*perSecond+4 {
		t.Errorf("%d events stand for %d of %d, another process's among them: %v", len(got.records), sum, n+1, other)
	}
}

// A gap that no counter explains is reported, and reported once: as the counter's loss, or as
// a gap.
func TestGaps(t *testing.T) {
	e, got, c := newTestEvents(Config{})
	reported := func(want ...string) {
		t.Helper()
		var causes []string
		for _, s := range got.shown() {
			causes = append(causes, fmt.Sprint(s.Attrs["ktls.lost.cause"], " ", s.Attrs["ktls.count"], " ", s.Attrs["network.io.direction"]))
		}
		if diff := cmp.Diff(want, causes); diff != "" {
			t.Error(diff)
		}
		got.records = nil
	}
	second := func() {
		c.pass(time.Second)
		e.flush()
		e.flush()
	}
	e.write(&event.Lost{Cause: "gap", Count: 5, Conn: &conn, Dir: event.RX})
	e.flush()
	reported()
	e.write(&event.Lost{Cause: "ring_full", Count: 5, HasDir: true, Dir: event.RX})
	second()
	second()
	reported("ring_full 5 receive")
	e.write(&event.Lost{Cause: "gap", Count: 3, Conn: &conn, Dir: event.RX})
	second()
	reported()
	second()
	reported("gap 3 receive")
	e.write(&event.Lost{Cause: "gap", Count: 2, Conn: &conn, Dir: event.TX})
	e.end()
	reported("gap 2 transmit", "ring_full <nil> receive", "gap <nil> receive", "gap <nil> transmit")
}

// Losses of one cause are reported when they begin and when they end; those of the other
// direction separately.
func TestLosses(t *testing.T) {
	e, got, c := newTestEvents(Config{})
	for range 50 {
		e.write(&event.Lost{Cause: "ring_full", Count: 2, HasDir: true, Dir: event.TX})
		c.pass(time.Second)
		e.flush()
	}
	e.write(&event.Lost{Cause: "ring_full", Count: 1, HasDir: true, Dir: event.RX})
	c.pass(quiet)
	e.flush()
	var states []string
	sum := 0
	for _, s := range got.shown() {
		states = append(states, s.Attrs["ktls.state"].(string))
		n, _ := s.Attrs["ktls.count"].(int)
		sum += n
	}
	if diff := cmp.Diff([]string{"begin", "begin", "end", "end"}, states); diff != "" || sum != 101 {
		t.Errorf("%s they count %d", diff, sum)
	}
}

func TestAgent(t *testing.T) {
	e, got, _ := newTestEvents(Config{})
	e.degraded("sampling", "of ordinary records only some are reported", true)
	e.degraded("sampling", "again", true)
	e.degraded("hooks", "no \x1b[31mhook", true)
	e.degraded("sampling", "", false)
	e.detached("module", "tls was unloaded")
	agent := func(reason, detail string) map[string]any {
		return map[string]any{"ktls.agent.reason": reason, "ktls.agent.detail": detail}
	}
	begin, over := map[string]any{"ktls.state": "begin"}, map[string]any{"ktls.state": "end"}
	if diff := cmp.Diff([]shown{
		{agentDegraded, warning, join(begin, agent("sampling", "of ordinary records only some are reported"))},
		{agentDegraded, warning, join(begin, agent("hooks", "no \uFFFD[31mhook"))},
		{agentDegraded, info, join(over, agent("sampling", "of ordinary records only some are reported"))},
		{agentDetached, severe, agent("module", "tls was unloaded")},
	}, got.shown()); diff != "" {
		t.Error(diff)
	}
}

// Datagrams' addresses and versions.
func TestDTLS(t *testing.T) {
	c := conn
	c.LAddr, c.RAddr = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	e, got, _ := newTestEvents(Config{})
	e.write(&event.Error{Conn: c, TLS: event.TLS{Version: event.DTLS12, Cipher: 51, Mode: event.ModeSW}, Errno: 74})
	a := got.shown()[0].Attrs
	for key, want := range map[string]string{
		"network.transport": "udp", "network.type": "ipv6", "tls.protocol.name": "dtls", "tls.protocol.version": "1.2",
		"network.local.address": "2001:db8::1",
	} {
		if a[key] != want {
			t.Errorf("%s is %v, want %s", key, a[key], want)
		}
	}
}

// Numbers too large for OTLP stay positive.
func TestHugeNumbers(t *testing.T) {
	e, got, _ := newTestEvents(Config{})
	e.write(&event.Error{Errno: 74, Seq: 1<<64 - 1, More: 1<<32 - 1})
	if a := got.shown()[0].Attrs; a["ktls.record.seq"] != 1<<63-1 || a["ktls.count"] != 1<<32 {
		t.Errorf("%v", a)
	}
}

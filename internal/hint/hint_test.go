package hint

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

const conn = 7

func opened(state event.SocketState) event.Event {
	s := &event.Socket{State: state, Conn: event.Conn{ID: conn}, Dir: event.RX}
	if state == event.SocketRekey {
		s.GenRX, s.NextRX = 1, 0
	}
	return s
}

func update() event.Event {
	return &event.Record{Conn: event.Conn{ID: conn}, Dir: event.RX, Type: event.Handshake, Control: &event.Control{Handshakes: []uint8{keyUpdate}, Messages: 1}}
}

// at is where an error is.
func at(seq uint64, gen uint32) func(*event.Error) {
	return func(e *event.Error) { e.Seq, e.Gen = seq, gen }
}

func failure(errno unix.Errno, function string, change func(*event.Error)) *event.Error {
	e := &event.Error{Conn: event.Conn{ID: conn}, Dir: event.RX, Errno: uint32(errno), Func: function, Type: event.ApplicationData}
	if change != nil {
		change(e)
	}
	return e
}

func option(o event.Option) func(*event.Error) { return func(e *event.Error) { e.Option = o } }

func TestRules(t *testing.T) {
	bad := func(seq uint64, gen uint32) *event.Error {
		return failure(unix.EBADMSG, "tls_rx_one_record", at(seq, gen))
	}
	control := func(e *event.Error) { e.Type = event.Handshake }
	seen := map[string]bool{"": true}
	for _, c := range []struct {
		name   string
		before []event.Event
		e      *event.Error
		want   string
	}{
		{"the first record under a key", []event.Event{opened(event.SocketOpen)}, bad(0, 0), "never-opened"},
		{"after others", []event.Event{opened(event.SocketOpen)}, bad(1, 0), ""},
		{"after others, under a new key", []event.Event{opened(event.SocketOpen), opened(event.SocketRekey)}, bad(0, 1), "never-opened"},
		{"it is not known what came before", nil, bad(0, 0), ""},
		{"found while it was open", []event.Event{&event.Socket{State: event.SocketFound, Conn: event.Conn{ID: conn}}}, bad(0, 0), ""},
		{"a key that was not seen", []event.Event{opened(event.SocketOpen)}, bad(0, 1), ""},
		{"another connection's key", []event.Event{&event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: 8}, Dir: event.RX}}, bad(0, 0), ""},
		{"the key to send", []event.Event{&event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: conn}, Dir: event.TX}}, bad(0, 0), ""},
		{"closed, and its address used again", []event.Event{opened(event.SocketOpen), opened(event.SocketClose)}, bad(0, 0), ""},
		{"the peer has changed its key", []event.Event{opened(event.SocketOpen), update()}, bad(2, 0), "key-updated"},
		{"and the kernel too", []event.Event{opened(event.SocketOpen), update(), opened(event.SocketRekey)}, bad(1, 1), ""},
		{"a record sent", []event.Event{opened(event.SocketOpen)}, failure(unix.EBADMSG, "tls_err_abort", nil), ""},
		{"no room for the type", nil, failure(unix.EIO, "tls_sw_recvmsg", control), "control-record"},
		{"splice, which has no room either", nil, failure(unix.EINVAL, "tls_sw_splice_read", control), "control-record"},
		{"EINVAL of a splice of data", nil, failure(unix.EINVAL, "tls_sw_splice_read", nil), ""},
		{"EIO of a splice", nil, failure(unix.EIO, "tls_sw_splice_read", control), ""},
		{"EIO of data", nil, failure(unix.EIO, "tls_sw_recvmsg", nil), ""},
		{"a header of another version", nil, failure(unix.EINVAL, "tls_strp_abort_strp", nil), "other-version"},
		{"a header that is none", nil, failure(unix.EMSGSIZE, "tls_strp_abort_strp", nil), "no-record"},
		{"TLS too early", nil, failure(unix.ENOTCONN, "tcp_set_ulp", option(event.OptionULP)), "not-connected"},
		{"no module", nil, failure(unix.ENOENT, "tcp_set_ulp", option(event.OptionULP)), "no-module"},
		{"no cipher", nil, failure(unix.ENOENT, "tls_setsockopt", option(event.OptionTX)), "no-cipher"},
		{"asked what is not there", nil, failure(unix.EBUSY, "tls_getsockopt", option(event.OptionRX)), ""},
		{"a second key", nil, failure(unix.EBUSY, "tls_setsockopt", option(event.OptionRX)), "second-key"},
		{"a refusal of another kind", nil, failure(unix.EINVAL, "tls_setsockopt", option(event.OptionRX)), ""},
	} {
		b := NewEngine()
		for _, ev := range c.before {
			b.Observe(ev)
		}
		b.Observe(c.e)
		got := ""
		if c.e.Hint != nil {
			got = c.e.Hint.ID
		}
		if got != c.want {
			t.Errorf("%s: hint %q, want %q", c.name, got, c.want)
		}
		seen[got] = true
	}
	for _, r := range Rules {
		if r.failed != nil && !seen[r.ID] {
			t.Errorf("%s never held", r.ID)
		}
	}
}

// sent are records that went out, by sendfile or not.
func sent(n int, size uint32, op event.Op) []event.Event {
	all := make([]event.Event, n)
	for i := range all {
		all[i] = &event.Record{Conn: event.Conn{ID: conn}, Dir: event.TX, Type: event.ApplicationData, Len: size, Op: op}
	}
	return all
}

func TestRulesOfSockets(t *testing.T) {
	open := []event.Event{&event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: conn}, Dir: event.TX, NextTX: 1}}
	gcm := event.TLS{Mode: event.ModeSW, Cipher: 51}
	chunks := slices.Concat(open, sent(30, 8192, event.OpSendfile), sent(6, 100, event.OpSendfile), sent(36, 9, event.OpSend))
	drops := slices.Concat(open, sent(950, 20, event.OpSend), sent(100, 5000, event.OpSend))
	seen := map[string]bool{"": true}
	for _, c := range []struct {
		name   string
		before []event.Event
		s      event.Socket
		want   string
	}{
		{"nginx and HTTP/2", chunks, event.Socket{NextTX: 73, Proc: event.Process{Comm: nginx}}, "nginx-chunks"},
		{"another program", chunks, event.Socket{NextTX: 73}, ""},
		{"not all was seen", chunks, event.Socket{NextTX: 74, Proc: event.Process{Comm: nginx}}, ""},
		{"a key that was not seen to come", chunks[1:], event.Socket{NextTX: 72, Proc: event.Process{Comm: nginx}}, ""},
		{"a larger one", slices.Concat(chunks, sent(1, 16384, event.OpSendfile)), event.Socket{NextTX: 74, Proc: event.Process{Comm: nginx}}, ""},
		{"small pieces", drops, event.Socket{NextTX: 1051}, "small-records"},
		{"not so many", slices.Concat(drops, sent(50, 5000, event.OpSend)), event.Socket{NextTX: 1101}, ""},
		{"a key near its end", nil, event.Socket{TX: gcm, NextTX: 1<<24 + 1}, "key-worn"},
		{"of the other direction", nil, event.Socket{RX: gcm, NextRX: 1<<24 + 1}, "key-worn"},
		{"of another cipher", nil, event.Socket{TX: event.TLS{Mode: event.ModeSW, Cipher: 54}, NextTX: 1<<24 + 1}, ""},
		{"a fresh key", nil, event.Socket{TX: gcm, NextTX: 1 << 24}, ""},
	} {
		b := NewEngine()
		for _, ev := range c.before {
			b.Observe(ev)
		}
		c.s.State, c.s.Conn.ID = event.SocketClose, conn
		b.Observe(&c.s)
		got := ""
		if c.s.Hint != nil {
			got = c.s.Hint.ID
		}
		if got != c.want {
			t.Errorf("%s: hint %q, want %q", c.name, got, c.want)
		}
		seen[got] = true
	}
	for _, r := range Rules {
		if r.socket != nil && !seen[r.ID] {
			t.Errorf("%s never held", r.ID)
		}
	}
}

// Each rule has a section in the documentation that says what it looks at.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/hints.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules {
		_, section, found := strings.Cut(string(doc), "\n## "+r.ID+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found || !strings.Contains(section, "> "+r.Text) || !strings.Contains(section, "Looked at:") {
			t.Errorf("docs/hints.md has no section %s that quotes the hint and says what it looked at", r.ID)
		}
	}
}

// A hint names every reason that there may be, and so is true where each of them is.
func TestEveryReason(t *testing.T) {
	for id, reasons := range map[string][]string{
		"never-opened": {"key", "salt", "sequence", "not as it was sealed"}, // a byte that was changed on the way
		"no-module":    {"not loaded", "may not load it", "has none"},       // CONFIG_TLS is not set
		"second-key":   {"TLS 1.3 only", "from Linux 6.14 on"},              // EBUSY of TLS 1.2 on a newer kernel
	} {
		i := slices.IndexFunc(Rules, func(r Rule) bool { return r.ID == id })
		for _, reason := range reasons {
			if !strings.Contains(Rules[i].Text, reason) {
				t.Errorf("%s does not name %q: %s", id, reason, Rules[i].Text)
			}
		}
	}
}

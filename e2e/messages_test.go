package e2e

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMessages: handshake messages are reported by their headers, complete, in parts
// and several in a record; if the beginning of one was not seen, nothing is guessed.
func TestMessages(t *testing.T) {
	old := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer old.close()
	old.say(t, []byte{4, 0, 0, 8, 1, 2, 3}) // before the trace
	tr := startTracer(t)
	p := newPair(t, security{"1.2", "AES-GCM-128", "sw"})
	defer p.close()

	p.say(t, []byte{4, 0, 0, 2, 1, 2, 24, 0, 0, 1, 0})         // two in a record
	p.say(t, []byte{4, 0}, []byte{0, 6}, []byte{24, 24, 0, 0}) // of one a part, in three pieces
	p.say(t, []byte{20, 20, 13})                               // its rest, and of another the type
	p.say(t, []byte{0})                                        // not even its length
	p.send(t, []byte("data"), 0)                               // nothing continues after this
	p.recv(t, 4, 4)
	p.say(t, slices.Repeat([]byte{0, 0, 0, 0}, 11))
	p.sendControl(t, 21, []byte{1, 90})
	p.recvControl(t, 10)
	p.say(t, []byte{24, 0, 0, 1, 1})

	old.say(t, []byte{4, 0, 0, 1, 5}) // the rest: no new ticket
	old.say(t, []byte{13, 0, 0, 1, 1})
	old.send(t, []byte("data"), 0)
	old.recv(t, 4, 4)
	old.say(t, []byte{13, 0, 0, 1, 1})
	got := tr.stop()
	got.noLosses(t)

	unknown := handshake{MsgType: "unknown"}
	update := handshake{MsgType: "key_update", Messages: "key_update"}
	p.checkSaid(t, got, []handshake{
		{MsgType: "new_session_ticket", Messages: "new_session_ticket key_update"},
		{MsgType: "new_session_ticket", Messages: "new_session_ticket", GoesOn: true},
		{MsgType: "new_session_ticket", Messages: "new_session_ticket certificate_request", Continued: true, GoesOn: true},
		{MsgType: "certificate_request", Messages: "certificate_request", Continued: true, GoesOn: true},
		{MsgType: "hello_request", Messages: "hello_request hello_request hello_request hello_request hello_request hello_request hello_request hello_request", More: 3},
		update,
	})
	old.checkSaid(t, got, []handshake{unknown, unknown, {MsgType: "certificate_request", Messages: "certificate_request"}})
}

// say sends a handshake record, in pieces, and reads it.
func (p *pair) say(t *testing.T, pieces ...[]byte) {
	t.Helper()
	must(t, again(func() error {
		_, err := unix.SendmsgBuffers(p.a, pieces, recordType(22), nil, 0)
		return err
	}))
	if got, typ := p.recvControl(t, 100); typ != 22 || !slices.Equal(got, slices.Concat(pieces...)) {
		t.Errorf("read %d bytes of type %d", len(got), typ)
	}
}

func (p *pair) checkSaid(t *testing.T, got trace, want []handshake) {
	t.Helper()
	for _, end := range p.ends() {
		var said []handshake
		for _, l := range got.stream(end.lport, end.rport, end.dir) {
			if l.Content == "handshake" {
				said = append(said, l.Handshake)
			}
		}
		if !slices.Equal(said, want) {
			t.Errorf("%s: %+v, want %+v", end.dir, said, want)
		}
	}
}

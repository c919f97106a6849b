package session

import (
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func choiceOf(t *testing.T, expr string) *choice {
	t.Helper()
	e, err := match.Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	if e.Root == nil {
		e = nil
	}
	return newChoice(e)
}

func socketOf(id uint64, port uint16, state event.SocketState) *event.Socket {
	return &event.Socket{State: state, Conn: event.Conn{ID: id, LPort: port}, TX: event.TLS{Mode: event.ModeSW}}
}

// A connection is shown from its begin to its end, or from its first record.
func TestChoiceOfSockets(t *testing.T) {
	c := choiceOf(t, "port == 443 and len > 100")
	for _, step := range []struct {
		what string
		ev   event.Event
		want bool
	}{
		{"open of the port", socketOf(1, 443, event.SocketOpen), true},
		{"open of another", socketOf(2, 80, event.SocketOpen), false},
		{"rekey of another", socketOf(2, 80, event.SocketRekey), false},
		{"record left out", &event.Record{Conn: event.Conn{ID: 2}, Unmatched: true}, false},
		{"record", &event.Record{Conn: event.Conn{ID: 2}}, true},
		{"end of another, after a record", socketOf(2, 80, event.SocketClose), true},
		{"end of the port", socketOf(1, 443, event.SocketClose), true},
		{"another with the same number", socketOf(2, 80, event.SocketClose), false},
		{"error of the port", &event.Error{Conn: event.Conn{LPort: 443}}, true},
		{"error of another", &event.Error{Conn: event.Conn{LPort: 80}}, false},
		{"loss", &event.Lost{Count: 1}, true},
	} {
		if got := c.wants(step.ev); got != step.want {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
	}
	if c.shown.Len() != 0 {
		t.Errorf("closed connections are remembered: %d", c.shown.Len())
	}
}

func TestChoiceOfAll(t *testing.T) {
	for _, c := range []*choice{nil, {}, choiceOf(t, ""), choiceOf(t, " ")} {
		if !c.wants(socketOf(1, 80, event.SocketOpen)) || !c.wants(&event.Record{}) {
			t.Error("something is left out")
		}
	}
}

func TestWhereItRuns(t *testing.T) {
	for expr, want := range map[string]string{
		"len > 4 and payload contains x":       "",
		"len > 4 and nginx":                    `evaluated in user space: "nginx"`,
		"lat.total > 5ms or op == recv":        "",
		"lat.encrypt > 5ms and container == x": `evaluated in user space: container == "x"`,
	} {
		if got := strings.Join(InUserSpace(choiceOf(t, expr).expr), "\n"); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func TestListable(t *testing.T) {
	for expr, want := range map[string]bool{"": true, "port == 443 or nginx": true, "proto == dtls": true, "epoch == 1": false, "dir == tx and not seq == 1": false, "lat.total > 1s": false} {
		if field, ok := Listable(choiceOf(t, expr).expr); ok != want {
			t.Errorf("%s: %v, because of %q", expr, ok, field)
		}
	}
}

package programs

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
)

// listing is the output of ktlstop list while all trials are connected: the owner of each
// socket, by its ports.
type listing struct {
	*world
	connected atomic.Int32
	once      func()
	users     map[[2]int]string
	err       error
}

// whileConnected lists once for all trials, as soon as the last one is connected.
func (l *listing) whileConnected(t *testing.T) {
	t.Helper()
	l.connected.Add(1)
	until(t, "the others are connected", func() bool { return int(l.connected.Load()) == len(storageTrials(nil)) })
	l.once()
	must(t, l.err)
}

func (l *listing) list() {
	out, err := exec.Command(ktlstop, "list", "-o", "json").Output()
	l.err = err
	l.users = map[[2]int]string{}
	for line := range bytes.Lines(out) {
		var s struct {
			KernelUser string `json:"kernel_user"`
			Sock       struct {
				LPort int `json:"lport"`
				RPort int `json:"rport"`
			} `json:"sock"`
		}
		l.err = errors.Join(l.err, json.Unmarshal(line, &s))
		l.users[[2]int{s.Sock.LPort, s.Sock.RPort}] = s.KernelUser
	}
}

// names checks that the list has both ends of all connections to a port, and that list and
// trace report the part of the kernel that uses each.
func (l *listing) names(t *testing.T, got *trace, port int, client, server string) {
	t.Helper()
	for _, from := range got.clients(port) {
		if at := [2]int{from, port}; l.users[at] != client {
			t.Errorf("list says that %v is %q, want %s: %v", at, l.users[at], client, l.users)
		}
		if at := [2]int{port, from}; l.users[at] != server {
			t.Errorf("list says that %v is %q, want %s: %v", at, l.users[at], server, l.users)
		}
	}
	for _, from := range got.clients(port) {
		got.namesOne(t, from, port, client)
		got.namesOne(t, port, from, server)
	}
}

// namesOne checks that the records of a socket name it. The first and the last may not:
// NVMe makes the kernel call its own functions only during a part of a connection's life. A
// queue without work has four records, and its host takes the socket over behind the first two
// (ICReq and ICResp).
func (tr *trace) namesOne(t *testing.T, lport, rport int, want string) {
	t.Helper()
	var users []string
	for _, r := range tr.records {
		if int(r.Conn.LPort) == lport && int(r.Conn.RPort) == rport {
			users = append(users, r.Conn.KernelUser)
		}
	}
	all := len(users)
	for len(users) > 0 && users[0] == "" {
		users = users[1:]
	}
	for len(users) > 0 && users[len(users)-1] == "" {
		users = users[:len(users)-1]
	}
	if len(users) == 0 || 2*len(users) < all || slices.ContainsFunc(users, func(u string) bool { return u != want }) {
		t.Errorf("the trace says of %d of the %d records of the socket of ports %d and %d that it is %q's, want %s", len(users), all, lport, rport, slices.Compact(users), want)
	}
}

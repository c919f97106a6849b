package inspect

import (
	"slices"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// dialect is a protocol other than HTTP, of which requests and replies are reported. A
// file holds each.
type dialect struct {
	name string
	// ports are those that its servers have. That a connection has one is a hint.
	ports []uint16
	// recognise looks whether a message begins with b, which begins a record. It says
	// so only of what is a message for certain where nothing speaks for the protocol
	// but b itself. It may leave undecided only what is shorter than maxStartLine.
	recognise func(b []byte, o opening) verdict
	// grammar returns what reads one direction of a connection.
	grammar func(d *dialogue, client bool) grammar
	// numbered: replies name their request. Elsewhere they come in the order of
	// requests, and behind missing replies nobody knows whose the next is.
	numbered bool
}

// dialects are asked in this order.
var dialects = []*dialect{postgresql, mysql, redis, smtp, pop3, imap}

// opening is what is known of a stream besides the bytes it goes on with.
type opening struct {
	// first: nothing came before them, for all that was seen.
	first bool
	// spoken: the connection is known to speak the protocol.
	spoken bool
	// port: one end has a port of its servers.
	port bool
	// role is whose direction it is, as the ports or the other direction say.
	role role
}

// likely reports whether something else than the bytes speaks for the protocol.
func (o opening) likely() bool { return o.spoken || o.port }

// mayBe reports whether nothing speaks against the direction being that of this role.
func (o opening) mayBe(which role) bool { return o.role == nobody || o.role == which }

// role is who sends a direction.
type role uint8

const (
	nobody role = iota
	client
	server
)

// verdict is what recognise says.
type verdict uint8

const (
	no verdict = iota
	// perhaps: more bytes decide.
	perhaps
	ofClient
	ofServer
)

// opening says what is known of a stream where d is looked for.
func (d *dialect) opening(s *stream, first bool) opening {
	o := opening{first: first}
	id := &s.now.Conn
	switch {
	case slices.Contains(d.ports, id.LPort):
		o.port, o.role = true, roleOf(s.dir == event.RX)
	case slices.Contains(d.ports, id.RPort):
		o.port, o.role = true, roleOf(s.dir == event.TX)
	}
	if spoken := s.conn.dialogue; spoken != nil {
		o.spoken, o.role = true, roleOf(s.dir == spoken.client)
	}
	return o
}

func roleOf(asks bool) role {
	if asks {
		return client
	}
	return server
}

// speaks looks for the dialect that b begins a message of. Once one is known of a
// connection it has no other.
func speaks(s *stream, b []byte, first bool) (*dialect, verdict) {
	candidates := dialects
	if d := s.conn.dialogue; d != nil {
		candidates = []*dialect{d.of}
	}
	doubt := no
	for _, d := range candidates {
		switch v := d.recognise(b, d.opening(s, first)); {
		case v == perhaps && len(b) < maxStartLine:
			doubt = perhaps
		case v == ofClient, v == ofServer:
			return d, v
		}
	}
	return nil, doubt
}

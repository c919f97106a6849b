package inspect

import (
	"slices"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// dialect is a protocol other than HTTP whose requests and replies are reported. Each has its
// own file.
type dialect struct {
	name string
	// ports are the usual ports of its servers. They are only a hint.
	ports []uint16
	// recognise reports whether a message of the dialect begins with b, the beginning of a
	// record. If nothing but b indicates the protocol, it must be certain. It may be
	// undecided only if b is shorter than maxStartLine.
	recognise func(b []byte, o opening) verdict
	// grammar returns the grammar of one direction of a connection.
	grammar func(d *dialogue, client bool) grammar
	// numbered reports that replies identify their request. In other dialects replies come
	// in the order of requests, so that after a missing reply the request of the next one
	// is not known.
	numbered bool
}

// dialects are tried in this order.
var dialects = []*dialect{postgresql, mysql, redis, smtp, pop3, imap}

// opening is what is known of a stream besides its next bytes.
type opening struct {
	// first reports that nothing is known to have come before them.
	first bool
	// spoken reports that the connection is known to speak the protocol.
	spoken bool
	// port reports that one end has a port of the protocol's servers.
	port bool
	// role is the sender of the direction, according to the ports or the other direction.
	role role
}

// likely reports whether something other than the bytes indicates the protocol.
func (o opening) likely() bool { return o.spoken || o.port }

// mayBe reports whether this role can be the sender of the direction.
func (o opening) mayBe(which role) bool { return o.role == nobody || o.role == which }

// role is the sender of a direction.
type role uint8

const (
	nobody role = iota
	client
	server
)

// verdict is the result of recognise.
type verdict uint8

const (
	no verdict = iota
	// perhaps: recognise needs more bytes.
	perhaps
	ofClient
	ofServer
)

// opening returns what is known of a stream that d is tried for.
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

// speaks returns the dialect that b begins a message of. A connection has only one dialect.
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

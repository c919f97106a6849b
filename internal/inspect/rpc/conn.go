package rpc

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxWaiting limits the calls of a direction that wait for their replies.
const maxWaiting = 1024

// Conn is a connection. Calls may go in both directions: an NFS server calls its client
// on the client's connection. It is not safe for concurrent use.
type Conn struct {
	emit func(*finding.Exchange)
	// OneWay says that only one direction is seen: a call is reported when it ends.
	OneWay bool

	streams [2]stream
	// waiting are the calls without a reply, by the direction that they went in.
	waiting [2]map[uint32]*message
	// nfs says that a call of NFS was seen.
	nfs bool
	now uint64
}

// New returns a connection that reports each exchange at its end. It sets Mono, Dir,
// Protocol, ID, Op, Detail, Status, RequestLen, ReplyLen, Duration and End.
func New(emit func(*finding.Exchange)) *Conn {
	k := &Conn{emit: emit}
	for d := range k.streams {
		k.streams[d] = stream{conn: k, dir: event.Dir(d)}
		k.waiting[d] = map[uint32]*message{}
	}
	return k
}

// Join says that the next byte of a direction is not its first.
func (k *Conn) Join(d event.Dir) { k.streams[d&1].lost = true }

// Lost reports whether a direction cannot be read until a record begins with a message.
func (k *Conn) Lost(d event.Dir) bool { return k.streams[d&1].lost }

// Write handles the next bytes of a direction: a record's, or some of them. now is the
// record's time in nanoseconds.
func (k *Conn) Write(d event.Dir, b []byte, now uint64) {
	k.now = now
	k.streams[d&1].write(b, now)
}

// Gap says that the next n bytes were not seen, 0 if their number is unknown.
func (k *Conn) Gap(d event.Dir, n, now uint64) {
	k.now = now
	k.streams[d&1].gap(n, now)
}

// Close reports the calls in progress: no more bytes will come.
func (k *Conn) Close() {
	for d := range k.streams {
		s := &k.streams[d]
		if m := s.m; m != nil && m.read && !m.uncertain {
			s.m = nil
			m.stop()
			k.closed(m)
		}
	}
	for d := range k.waiting {
		for _, m := range sorted(k.waiting[d]) {
			k.emit(k.exchange(m, k.now, finding.Unanswered))
		}
		clear(k.waiting[d])
	}
}

// closed reports a message that the end of the connection cut.
func (k *Conn) closed(m *message) {
	if !m.reply {
		k.emit(k.exchange(m, k.now, finding.Closed))
		return
	}
	x := k.answered(m)
	x.Duration, x.End = 0, finding.Closed
	k.emit(x)
}

// ended handles a message that has ended; unfinished says that its end was not seen.
func (k *Conn) ended(m *message, now uint64, unfinished bool) {
	switch {
	case m.uncertain:
	case m.reply:
		x := k.answered(m)
		if unfinished {
			x.Duration = 0
		}
		k.emit(x)
	default:
		k.called(m)
	}
}

// called handles a call.
func (k *Conn) called(m *message) {
	k.nfs = k.nfs || m.program == programNFS
	if k.OneWay {
		end := finding.Complete
		if m.cut {
			end = finding.Gap
		}
		k.emit(k.exchange(m, k.now, end))
		return
	}
	waiting := k.waiting[m.dir]
	old := waiting[m.xid] // the call is sent again
	if old == nil && len(waiting) >= maxWaiting {
		old = oldest(waiting)
	}
	if old != nil {
		delete(waiting, old.xid)
		k.emit(k.exchange(old, k.now, finding.Unanswered))
	}
	waiting[m.xid] = m
}

// callOf returns the call that a reply answers.
func (k *Conn) callOf(m *message, xid uint32) (*message, bool) {
	c, ok := k.waiting[m.dir^1][xid]
	return c, ok
}

// answered ends the call that a reply answers, if it was seen.
func (k *Conn) answered(m *message) *finding.Exchange {
	request, ok := k.callOf(m, m.xid)
	if !ok {
		request = &message{head: head{xid: m.xid}, dir: m.dir ^ 1}
	}
	delete(k.waiting[m.dir^1], m.xid)
	x := k.exchange(request, k.now, finding.Complete)
	x.Status, x.ReplyLen = m.status, m.length
	if !ok {
		x.Op, x.Detail = "", ""
	}
	if ok && k.now > request.begun {
		x.Duration = k.now - request.begun
	}
	if m.cut || request.cut || !ok {
		x.End = finding.Gap
	}
	if n := int(m.done); m.failed && n > 0 && n <= len(request.names) {
		x.Detail += " failed in " + request.names[n-1]
	}
	return x
}

// exchange makes the exchange of a call without a reply.
func (k *Conn) exchange(m *message, now uint64, how finding.End) *finding.Exchange {
	return &finding.Exchange{Mono: now, Dir: m.dir, Protocol: k.protocol(m), ID: "0x" + hex(m.xid), Op: m.op(), Detail: m.detail(),
		RequestLen: m.length, End: how}
}

// protocol is the protocol of a call. For a reply without its call, it is the one that
// was seen before.
func (k *Conn) protocol(m *message) string {
	if m.program == programNFS || m.isCallback() || m.program == 0 && k.nfs {
		return "nfs"
	}
	return "rpc"
}

// hex is a number as eight digits, as rpcdebug and Wireshark show an xid.
func hex(n uint32) string { return strconv.FormatUint(uint64(n)|1<<32, 16)[1:] }

// sorted are calls, the oldest first.
func sorted(waiting map[uint32]*message) []*message {
	all := make([]*message, 0, len(waiting))
	for _, m := range waiting {
		all = append(all, m)
	}
	slices.SortFunc(all, before)
	return all
}

// oldest is the first of sorted.
func oldest(waiting map[uint32]*message) (first *message) {
	for _, m := range waiting {
		if first == nil || before(m, first) < 0 {
			first = m
		}
	}
	return first
}

// before orders calls by time.
func before(a, b *message) int {
	return cmp.Or(cmp.Compare(a.begun, b.begun), cmp.Compare(a.xid, b.xid))
}

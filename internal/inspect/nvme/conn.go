package nvme

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Conn is a connection, one queue of a controller. It is not safe for concurrent use.
type Conn struct {
	emit func(*finding.Exchange)
	// OneWay says that only one direction is seen: a command is reported when its capsule
	// ends.
	OneWay bool

	streams [2]stream
	// host is the direction of commands, if that is known.
	host      event.Dir
	hostKnown bool
	role      role
	// waiting are the commands in progress, by identifier: 65536 at most.
	waiting map[uint16]*exchange
	initial *exchange // of the initialisation
	now     uint64
}

// exchange is a command and its completion in progress.
type exchange struct {
	submission
	id       uint16
	begun    uint64
	toHost   uint64 // bytes of PDUs
	fromHost uint64
	data     uint64 // bytes of data transferred
	cut      bool
	status   string
	// unseen: it is a completion whose command was not seen.
	unseen bool
	op     string // of an exchange that is not a command
	detail string // the same, or the part that a completion adds
}

// New returns a connection that reports each command at its end. It sets Mono, Dir,
// Protocol, ID, Op, Detail, Status, RequestLen, ReplyLen, Duration and End.
func New(emit func(*finding.Exchange)) *Conn {
	k := &Conn{emit: emit, waiting: map[uint16]*exchange{}}
	for d := range k.streams {
		k.streams[d] = stream{conn: k, dir: event.Dir(d)}
	}
	return k
}

// Join says that the next byte of a direction is not its first.
func (k *Conn) Join(d event.Dir) { k.streams[d&1].lost = true }

// Lost reports whether a direction cannot be read until a record begins with a PDU.
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

// Close reports the commands in progress: no more bytes will come.
func (k *Conn) Close() {
	all := make([]*exchange, 0, len(k.waiting))
	for _, x := range k.waiting {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *exchange) int { return cmp.Or(cmp.Compare(a.begun, b.begun), cmp.Compare(a.id, b.id)) })
	for _, x := range all {
		k.report(x, finding.Unanswered)
	}
	clear(k.waiting)
	if k.initial != nil {
		k.report(k.initial, finding.Unanswered)
		k.initial = nil
	}
}

// mayCome reports whether a PDU is possible in a direction.
func (k *Conn) mayCome(d event.Dir, h *header) bool {
	return !k.hostKnown || (d == k.host) == h.host
}

// proves reports whether a header is certainly one.
func (k *Conn) proves(_ event.Dir, h *header) bool {
	switch h.kind {
	case icReq, icResp:
		return initial(h.b) == Sure
	case capsule:
		return command(h.b[commonLen:]) == Sure
	}
	id, ok := h.command()
	return ok && k.waiting[id] != nil
}

// missed: commands whose completion may have been missed stay until their identifiers are
// used again. The direction of the host is not kept for ever, either.
func (k *Conn) missed() {
	if k.streams[0].lost && k.streams[1].lost {
		k.hostKnown = false
	}
	for _, x := range k.waiting {
		x.cut = true
	}
}

// began is called with the header of each PDU.
func (k *Conn) began(s *stream) {
	h := &s.pdu
	k.host, k.hostKnown = s.dir, true
	if !h.host {
		k.host = s.dir ^ 1
	}
	switch h.kind {
	case icReq:
		k.initial = &exchange{begun: s.begun, op: "ICReq"}
	case capsule:
		k.command(s, h)
	}
}

// command handles a new command.
func (k *Conn) command(s *stream, h *header) {
	id, _ := h.command()
	if old := k.waiting[id]; old != nil { // its completion was missed
		k.report(old, finding.Unanswered)
	}
	x := &exchange{submission: parseSubmission(h.b[commonLen:]), id: id, begun: s.begun}
	if r := x.reveals(); r != unknownRole {
		k.role = r
	}
	k.waiting[id] = x
}

// ended is called at the end of each PDU.
func (k *Conn) ended(s *stream, now uint64) {
	h := &s.pdu
	switch h.kind {
	case icReq:
		k.initial.fromHost += uint64(h.length)
		return
	case icResp:
		k.initialised(h)
		return
	case h2cTerm, c2hTerm:
		k.terminated(s, h)
		return
	}
	id, _ := h.command()
	x := k.waiting[id]
	if x == nil {
		k.foreign(s, h, id)
		return
	}
	k.count(x, s, h)
	switch {
	case h.kind == resp:
		x.learn(h.b[commonLen:])
		k.complete(x, status(binary.LittleEndian.Uint16(h.b[22:]), x.submission))
	case h.kind == c2hData && h.flags&(success|lastData) == success|lastData:
		k.complete(x, statuses[0])
	case h.kind == capsule && k.OneWay:
		delete(k.waiting, id)
		k.report(x, finding.Complete)
	}
}

// count adds a PDU of a command.
func (k *Conn) count(x *exchange, s *stream, h *header) {
	x.data += h.carried()
	x.cut = x.cut || s.cut
	if h.host {
		x.fromHost += uint64(h.length)
	} else {
		x.toHost += uint64(h.length)
	}
}

// learn takes the queue's controller from a completion, Base Specification 2.0 §6.3. It
// is the same in all queues of a controller.
func (x *exchange) learn(completion []byte) {
	if x.opcode == fabrics && x.fabric == connect && binary.LittleEndian.Uint16(completion[14:])>>1 == 0 {
		x.detail = " controller " + decimal(uint64(binary.LittleEndian.Uint16(completion)))
	}
}

func (k *Conn) complete(x *exchange, status string) {
	delete(k.waiting, x.id)
	x.status = status
	k.report(x, finding.Complete)
}

// foreign handles a PDU of a command that was not seen: only its completion is reported.
func (k *Conn) foreign(s *stream, h *header, id uint16) {
	if h.kind != resp {
		return
	}
	x := &exchange{id: id, cut: true, status: status(binary.LittleEndian.Uint16(h.b[22:]), submission{}), unseen: true}
	k.count(x, s, h)
	k.report(x, finding.Complete)
}

// initialised handles the reply to an initialisation, TCP Transport Specification
// §3.6.2.3.
func (k *Conn) initialised(h *header) {
	x := k.initial
	if x == nil {
		x = &exchange{op: "ICReq", unseen: true, cut: true}
	}
	k.initial = nil
	x.toHost, x.status = uint64(h.length), "success"
	x.detail = "digests" + digests(h.b[11]) + " maxh2cdata " + decimal(uint64(binary.LittleEndian.Uint32(h.b[12:])))
	k.report(x, finding.Complete)
}

// digests names the parts that a digest protects.
func digests(bits byte) string {
	return [...]string{" none", " header", " data", " header data"}[bits&3]
}

// terminated handles a PDU that ends the connection, §3.6.2.4 and §3.6.2.5.
func (k *Conn) terminated(s *stream, h *header) {
	x := &exchange{begun: s.begun, op: "C2HTermReq"}
	if h.kind == h2cTerm {
		x.op = "H2CTermReq"
	}
	k.count(x, s, h)
	code := binary.LittleEndian.Uint16(h.b[8:])
	if x.status = fatal[code]; x.status == "" {
		x.status = "fatal error 0x" + hex(uint64(code), 2)
	}
	x.begun = k.now // it has no reply
	k.report(x, finding.Complete)
}

// report reports a command.
func (k *Conn) report(x *exchange, how finding.End) {
	e := &finding.Exchange{Mono: k.now, Dir: k.host, Protocol: "nvme", Op: x.op, Detail: x.detail, Status: x.status,
		RequestLen: x.fromHost, ReplyLen: x.toHost, End: how}
	if x.op == "" {
		e.ID, e.Op, e.Detail = "0x"+hex(uint64(x.id), 4), x.name(k.role), x.describe(k.role)
	}
	if x.unseen {
		e.Op, e.Detail = "", ""
	}
	if x.cut && how == finding.Complete {
		e.End = finding.Gap
	}
	if how == finding.Complete && x.begun != 0 && k.now > x.begun && !k.OneWay {
		e.Duration = k.now - x.begun
	}
	k.emit(e)
}

// describe is the command's detail with the amount of data transferred.
func (x *exchange) describe(r role) string {
	d := x.submission.detail(r) + x.detail
	if x.data > 0 {
		if d != "" {
			d += " "
		}
		d += "data " + decimal(x.data)
	}
	return d
}

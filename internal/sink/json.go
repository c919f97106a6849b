package sink

import (
	"strconv"
	"time"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// JSON writes one object a line, as docs/schema/event-v1.json describes them.
// It is not safe for concurrent use. AppendEvent appends an event as one line, with its
// newline. Except for a Summary it allocates only to grow the slice.
type JSON struct{ lines }

// NewJSON returns a JSON sink on q. tier is the run's, which every record
// repeats.
func NewJSON(q *Queue, clock Clock, tier event.Tier) *JSON {
	e := &encoder{clock: stampOf(clock), tier: tier.String()}
	return &JSON{newLines(q, e)}
}

// encoder spells events in JSON, schema 1.
type encoder struct {
	clock stamp
	tier  string
	host  string // of the current line
}

// AppendEvent implements appender.
func (e *encoder) AppendEvent(dst []byte, ev event.Event) []byte {
	e.host = event.HostOf(ev)
	switch ev := ev.(type) {
	case *event.Record:
		dst = e.record(dst, ev)
	case *event.Socket:
		dst = e.socket(dst, ev)
	case *event.Error:
		dst = e.error(dst, ev)
	case *event.Drop:
		dst = e.dropped(dst, ev)
	case *event.Lost:
		dst = e.lost(dst, ev)
	case *event.Trigger:
		dst = e.trigger(dst, ev)
	case *event.Summary:
		dst = e.summary(dst, ev)
	case *event.Host:
		dst = e.aboutHost(dst, ev)
	case *finding.HTTP:
		dst = e.http(dst, ev)
	case *finding.Exchange:
		dst = e.exchange(dst, ev)
	case *finding.Note:
		dst = e.note(dst, ev)
	default:
		return dst
	}
	return append(dst, '}', '\n')
}

// head opens the object with what every event has.
func (e *encoder) head(dst []byte, kind string, mono uint64) []byte {
	dst = append(dst, `{"v":1,"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","ts":"`...)
	dst = e.clock.append(dst, mono, 9, time.UTC)
	dst = append(dst, `Z","mono_ns":`...)
	dst = strconv.AppendUint(dst, mono, 10)
	if e.host != "" {
		dst = appendString(dst, "host", e.host)
	}
	return dst
}

func (e *encoder) record(dst []byte, r *event.Record) []byte {
	if r.Unsent {
		dst = e.head(dst, "unsent", r.Mono)
	} else {
		dst = e.head(dst, "record", r.Mono)
	}
	dst = appendName(dst, "dir", r.Dir.String())
	dst = appendUint(dst, "seq", r.Seq)
	dst = appendContentType(dst, r.Type)
	dst = appendUint(dst, "content_type_id", uint64(r.Type))
	dst = appendUint(dst, "len", uint64(r.Len))
	dst = appendName(dst, "op", r.Op.String())
	dst = appendProcess(dst, &r.Proc)
	dst = appendSock(dst, &r.Conn)
	dst = appendTLS(dst, &r.TLS)
	dst = appendLatency(dst, r.Dir, &r.Lat)
	if r.Call.Records > 0 {
		dst = appendCall(dst, r.Call)
	}
	dst = appendUint(dst, "gen", uint64(r.Gen))
	if r.TLS.Version.IsDTLS() {
		dst = appendUint(dst, "epoch", uint64(r.Epoch))
		dst = appendUint(dst, "datagram", uint64(r.Datagram))
	}
	dst = appendName(dst, "tier", e.tier)
	dst = appendControl(dst, r)
	if r.Skipped > 0 {
		dst = appendUint(dst, "weight", r.Weight())
	}
	if r.Unsent {
		dst = appendUnsent(dst, r.Errno)
	}
	if r.Payload != nil {
		dst = appendPayload(dst, r.Payload)
	}
	return dst
}

// appendAnswers omits what is not known.
func appendAnswers(dst []byte, key string, answers [2]event.Answer) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	dst = append(dst, `":{`...)
	sep := ""
	for d, a := range answers {
		if a == event.NotKnown {
			continue
		}
		dst = append(dst, sep...)
		dst = append(dst, '"')
		dst = append(dst, event.Dir(d).String()...)
		dst = append(dst, '"', ':')
		dst = strconv.AppendBool(dst, a == event.Yes)
		sep = ","
	}
	return append(dst, '}')
}

// appendHeld writes what a connection holds back, where it is something.
func appendHeld(dst []byte, h *event.Held) []byte {
	dst = append(dst, `,"held":{`...)
	sep := ""
	for _, f := range [...]struct {
		name string
		v    uint64
	}{
		{"open_bytes", uint64(h.OpenBytes)}, {"open_ns", h.OpenFor},
		{"incomplete_bytes", uint64(h.Incomplete)}, {"record_bytes", uint64(h.RecordBytes)}, {"quiet_ns", h.QuietFor},
		{"unread_records", uint64(h.Unread)}, {"unread_bytes", h.UnreadBytes},
	} {
		if f.v == 0 {
			continue
		}
		dst = append(dst, sep...)
		dst = append(dst, '"')
		dst = append(dst, f.name...)
		dst = append(dst, '"', ':')
		dst = strconv.AppendUint(dst, f.v, 10)
		sep = ","
	}
	return append(dst, '}')
}

// appendOffload writes how a network card does.
func appendOffload(dst []byte, o *event.Offload) []byte {
	dst = appendPair(append(dst, `,"offload":{"resyncs":`...), o.Resyncs)
	dst = appendUint(dst, "fallback_packets", o.Fallback)
	return append(appendBool(dst, "gone", o.Removed), '}')
}

// appendUnsent writes that a record never left, and why, if that is known.
func appendUnsent(dst []byte, errno uint32) []byte {
	dst = appendBool(dst, "sent", false)
	if errno == 0 {
		return dst
	}
	dst = appendName(dst, "errno", event.ErrnoName(errno))
	return appendUint(dst, "errno_id", uint64(errno))
}

func (e *encoder) socket(dst []byte, s *event.Socket) []byte {
	dst = e.head(dst, "socket", s.Mono)
	dst = appendName(dst, "state", s.State.String())
	if s.State.HasDir() {
		dst = appendName(dst, "dir", s.Dir.String())
	}
	dst = appendProcess(dst, &s.Proc)
	dst = appendSock(dst, &s.Conn)
	dst = appendSide(dst, "tx", &s.TX, s.NextTX, s.GenTX, &s.Drivers[event.TX])
	dst = appendSide(dst, "rx", &s.RX, s.NextRX, s.GenRX, &s.Drivers[event.RX])
	dst = append(dst, `,"totals":{`...)
	for d, sep := range [2]string{`"tx":`, `,"rx":`} {
		dst = append(dst, sep...)
		dst = append(dst, `{"records":`...)
		dst = strconv.AppendUint(dst, s.Totals.Records[d], 10)
		dst = appendUint(dst, "bytes", s.Totals.Bytes[d])
		dst = append(dst, '}')
	}
	dst = append(dst, '}')
	if s.Ended != 0 {
		dst = appendName(dst, "ended", s.Ended.String())
		dst = appendAnswers(dst, "close_notify", s.CloseNotify)
	}
	if s.Truncated > 0 {
		dst = appendUint(dst, "truncated_bytes", s.Truncated)
	}
	dst = appendHint(dst, s.Hint)
	if s.AwaitsKey {
		dst = appendUint(dst, "awaited_ns", s.AwaitsKeyFor)
	}
	if s.Held != nil {
		dst = appendHeld(dst, s.Held)
	}
	if s.Offload != nil {
		dst = appendOffload(dst, s.Offload)
	}
	if s.Probed > 0 {
		dst = appendUint(dst, "probed", s.Probed)
	}
	if s.Blocked > 0 {
		dst = appendUint(dst, "blocked", s.Blocked)
	}
	if s.UnsentBytes > 0 {
		dst = appendUint(dst, "unsent_bytes", s.UnsentBytes)
	}
	dst = append(dst, `,"hidden":`...)
	return appendSampled(appendPair(dst, s.Hidden), s.Totals.Sampled, s.Skipped)
}

// appendSampled writes how many records sampling skipped, if it did, and how many of them no
// record represents.
func appendSampled(dst []byte, sampled, unweighted [2]uint64) []byte {
	if sampled == [2]uint64{} && unweighted == sampled {
		return dst
	}
	dst = appendPair(append(dst, `,"sampled":`...), sampled)
	return appendPair(append(dst, `,"unweighted":`...), unweighted)
}

// appendSide is one direction of a socket.
func appendSide(dst []byte, key string, t *event.TLS, next uint64, gen uint32, d *event.Driver) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	dst = append(dst, `":{"version":"`...)
	dst = append(dst, t.Version.String()...)
	dst = append(dst, '"')
	dst = appendName(dst, "cipher", t.Cipher.String())
	dst = appendName(dst, "mode", t.Mode.String())
	dst = appendBool(dst, "zerocopy", t.ZeroCopy)
	if t.NoPad {
		dst = appendBool(dst, "no_pad", true)
	}
	dst = appendUint(dst, "next_seq", next)
	dst = appendUint(dst, "gen", uint64(gen))
	if d.Name != "" {
		dst = appendString(dst, "driver", d.Name)
		dst = appendBool(dst, "async", d.Async)
	}
	return append(dst, '}')
}

func (e *encoder) error(dst []byte, ev *event.Error) []byte {
	dst = e.head(dst, "error", ev.Mono)
	dst = appendName(dst, "errno", event.ErrnoName(ev.Errno))
	dst = appendUint(dst, "errno_id", uint64(ev.Errno))
	dst = appendString(dst, "func", ev.Func)
	if ev.HasDir() {
		dst = appendName(dst, "dir", ev.Dir.String())
	}
	dst = appendUint(dst, "seq", ev.Seq)
	if ev.Type == 0 {
		dst = appendName(dst, "content_type", "")
	} else {
		dst = appendContentType(dst, ev.Type)
	}
	if ev.Option != 0 {
		dst = appendName(dst, "option", ev.Option.String())
	}
	if ev.More > 0 {
		dst = appendUint(dst, "count", 1+uint64(ev.More))
	}
	dst = appendProcess(dst, &ev.Proc)
	if ev.ProcIsOwner {
		dst = appendBool(dst, "owner", true)
	}
	dst = appendSock(dst, &ev.Conn)
	dst = appendTLS(dst, &ev.TLS)
	return appendHint(dst, ev.Hint)
}

func (e *encoder) dropped(dst []byte, d *event.Drop) []byte {
	dst = e.head(dst, "dropped", d.Mono)
	dst = appendName(dst, "reason", d.Reason.String())
	dst = appendUint(dst, "count", d.Count)
	dst = appendName(dst, "dir", event.RX.String())
	dst = appendUint(dst, "epoch", uint64(d.Epoch))
	dst = appendUint(dst, "seq", d.Seq)
	if d.Type == 0 {
		dst = appendName(dst, "content_type", "")
	} else {
		dst = appendContentType(dst, d.Type)
	}
	dst = appendUint(dst, "len", uint64(d.Len))
	dst = appendUint(dst, "datagram", uint64(d.Datagram))
	dst = appendProcess(dst, &d.Proc)
	dst = appendSock(dst, &d.Conn)
	return appendTLS(dst, &d.TLS)
}

func appendHint(dst []byte, h *event.Hint) []byte {
	if h == nil {
		return dst
	}
	dst = append(dst, `,"hint":{"id":`...)
	dst = appendQuoted(dst, h.ID)
	dst = appendString(dst, "text", h.Text)
	return append(dst, '}')
}

func (e *encoder) lost(dst []byte, l *event.Lost) []byte {
	dst = e.head(dst, "lost", l.Mono)
	dst = appendString(dst, "cause", l.Cause)
	dst = appendUint(dst, "count", l.Count)
	if l.Conn == nil && l.HasDir {
		return appendName(dst, "dir", l.Dir.String())
	}
	if l.Conn == nil {
		return dst
	}
	dst = appendSock(dst, l.Conn)
	dst = appendName(dst, "dir", l.Dir.String())
	dst = appendUint(dst, "first", l.First)
	return appendUint(dst, "last", l.Last)
}

package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// recordColumns are the columns of the view of records.
func recordColumns() []column[*event.Record] {
	type rec = *event.Record
	return []column[rec]{
		{name: "TIME", width: 12, prio: 3, help: "when the record was complete",
			cell: func(b []byte, r rec, e *env) []byte { return appendClock(b, e, r.Mono) }},
		{name: "PROCESS", width: 9, most: 22, prio: 2, help: "the task that sealed or opened it",
			cell: func(b []byte, r rec, _ *env) []byte { return appendComm(b, &r.Proc) }},
		{name: "PID", width: 7, right: true, prio: 6, help: "process",
			cell: func(b []byte, r rec, _ *env) []byte { return appendPID(b, r.Proc.PID) }},
		{name: "DIR", width: 3, prio: 1, help: "direction",
			cell: func(b []byte, r rec, _ *env) []byte { return append(b, r.Dir.String()...) }},
		{name: "TYPE", width: 8, prio: 0, help: "content type", tone: typeTone,
			cell: func(b []byte, r rec, _ *env) []byte { return append(b, typeOf(r)...) }},
		{name: "SEQ", width: 6, most: 12, right: true, prio: 3, help: "sequence under the present key; of DTLS epoch:sequence",
			cell: func(b []byte, r rec, _ *env) []byte { return r.AppendSeq(b) }},
		{name: "LEN", width: 5, right: true, prio: 1, help: "bytes of plaintext",
			cell: func(b []byte, r rec, _ *env) []byte { return strconv.AppendUint(b, uint64(r.Len), 10) }},
		{name: "OP", width: 8, most: 11, prio: 5, help: "the call",
			cell: func(b []byte, r rec, _ *env) []byte { return append(b, r.Op.String()...) }},
		{name: "TOTAL", width: 6, right: true, prio: 2, help: "total latency",
			cell: func(b []byte, r rec, _ *env) []byte { return appendTime(b, r.Lat.Total) }},
		{name: "SPLIT", width: splitWidth, prio: 8, help: "its split: queue, encrypt, push or wait, decrypt, deliver",
			paint: func(r rec, e *env) line { return e.glyphs.stack(r.Lat.Stage) }},
		{name: "Q/WAIT  CRYPT P/DELV", width: 20, prio: 9, help: "its stages in time", cell: appendStages},
		{name: "PEER", width: 15, most: 47, prio: 4, help: "remote address and port",
			cell: func(b []byte, r rec, e *env) []byte { return appendPeer(b, r.Conn.RAddr, r.Conn.RPort, e) }},
	}
}

// appendStages writes the three stages, each right aligned in six columns.
func appendStages(b []byte, r *event.Record, _ *env) []byte {
	var one []byte
	for i, v := range r.Lat.Stage {
		one = appendTime(one[:0], v)
		b = append(b, spaces(6+min(i, 1)-len(one))...)
		b = append(b, one...)
	}
	return b
}

func newRecords() table[*event.Record] {
	return table[*event.Record]{
		cols: recordColumns(),
		keyOf: func(r *event.Record) rowKey {
			return rowKey{a: r.Conn.ID, b: uint64(r.Dir)<<32 | uint64(r.Gen), c: r.Seq}
		},
		match: func(r *event.Record, f *Filter) bool { return f.matchRecord(r) },
		sort:  -1, stream: true, tail: true,
	}
}

// typeName is a content type in eight columns.
func typeName(t event.ContentType) string {
	switch t {
	case event.ApplicationData:
		return "data"
	case event.ChangeCipherSpec:
		return "ccs"
	case event.Handshake:
		return "handshk"
	}
	return t.String()
}

// typeOf is what a record is of, in eight columns.
func typeOf(r *event.Record) string {
	if r.Unsent {
		return "unsent"
	}
	return typeName(r.Type)
}

func typeTone(r *event.Record) tone {
	if r.Unsent {
		return bad
	}
	switch r.Type {
	case event.ApplicationData:
		return plain
	case event.Alert:
		return bad
	}
	return accent
}

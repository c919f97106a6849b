package loader

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// distinct returns n bytes of which no two are the same.
func distinct(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}

// compareFields demands that got has each field's bytes of b, under the
// field's name in C.
func compareFields(t *testing.T, b []byte, fields []field, got map[string]any) {
	t.Helper()
	for _, f := range fields {
		if f.name == "pad" {
			continue
		}
		v, ok := got[f.name]
		if !ok {
			t.Errorf("field %s at %d is not decoded", f.name, f.offset)
			continue
		}
		delete(got, f.name)
		raw, err := binary.Append(nil, binary.NativeEndian, v)
		if err != nil {
			t.Fatal(err)
		}
		if want := b[f.offset : f.offset+f.size]; !bytes.Equal(raw, want) {
			t.Errorf("field %s is % x, want the %d bytes at %d, % x", f.name, raw, f.size, f.offset, want)
		}
	}
	for name := range got {
		t.Errorf("the C struct has no field %s", name)
	}
}

func TestEventLayout(t *testing.T) {
	fields, size := btfFields(t, object(t), "event")
	if size != eventSize {
		t.Fatalf("struct event has %d bytes, want eventSize, %d", size, eventSize)
	}
	b := distinct(size)
	var w wireEvent
	if err := w.decode(b); err != nil {
		t.Fatal(err)
	}
	compareFields(t, b, fields, map[string]any{
		"stamp": w.Stamp, "seq": w.Seq, "conn": w.Conn, "cookie": w.Cookie, "cgroup": w.Cgroup,
		"pid": w.PID, "tid": w.TID, "uid": w.UID, "netns": w.NetNS, "len": w.Len, "gen": w.Gen,
		"hidden": w.Hidden, "start": w.Start, "err": w.Err, "version": w.Version, "cipher": w.Cipher,
		"lport": w.LPort, "rport": w.RPort, "kind": w.Kind, "dir": w.Dir, "type": w.Type, "op": w.Op,
		"mode": w.Mode, "family": w.Family, "flags": w.Flags, "state": w.State, "ctl": w.Ctl,
		"mode_tx": w.ModeTX, "mode_rx": w.ModeRX, "func": w.Func, "matched": w.Matched, "hits": w.Hits,
		"laddr": w.LAddr, "raddr": w.RAddr, "comm": w.Comm, "skipped": w.Skipped,
	})
}

func TestHeaderIsTheObjects(t *testing.T) {
	want, size := btfFields(t, object(t), "event")
	got, n := cFields(t, header(t, "ktls_event.h"), "event")
	if n != size || !slices.Equal(got, want) {
		t.Errorf("ktls_event.h lays struct event out as\n%v (%d bytes), the object as\n%v (%d bytes): run make generate", got, n, want, size)
	}
}

func TestPayloadLayout(t *testing.T) {
	fields, size := cFields(t, header(t, "ktls_event.h"), "payload")
	if size != payloadSize {
		t.Fatalf("struct payload has %d bytes, want payloadSize, %d", size, payloadSize)
	}
	length := fields[slices.IndexFunc(fields, func(f field) bool { return f.name == "len" })]
	b := append(distinct(size), "plaintext"...)
	binary.NativeEndian.PutUint32(b[length.offset:], 9)
	var p wirePayload
	if err := p.decode(b); err != nil {
		t.Fatal(err)
	}
	compareFields(t, b, fields, map[string]any{
		"conn": p.key.conn, "seq": p.key.seq, "begun": p.key.begun, "gen": p.key.gen, "dir": p.key.dir,
		"len": uint32(len(p.data)), "data": []byte(nil),
	})
	if string(p.data) != "plaintext" {
		t.Errorf("data is %q", p.data)
	}
}

func TestConnLayout(t *testing.T) {
	spec := object(t)
	fields, size := btfFields(t, spec, "conn")
	if size != connSize {
		t.Errorf("a connection has %d bytes, want %d", size, connSize)
	}
	at := map[string]int{}
	for _, f := range fields {
		at[f.name] = f.offset
	}
	for _, c := range []struct {
		name string
		got  int
	}{
		{"tx", 0}, {"rx", connRX}, {"sk", connSK}, {"pending", connPending}, {"tx_state", connTXState},
		{"rx_state", connRXState}, {"keyed", connKeyed}, {"sampled", connSampled},
	} {
		if want, ok := at[c.name]; !ok || c.got != want {
			t.Errorf("%s is read at %d, the object has it at %d", c.name, c.got, want)
		}
	}
	inner, size1 := btfFields(t, spec, "sampled")
	if i := slices.IndexFunc(inner, func(f field) bool { return f.name == "skipped" }); size1 != sampledSize || inner[i].offset != sampledSkipped {
		t.Errorf("struct sampled is %v of %d bytes, Go reads skipped at %d of %d", inner, size1, sampledSkipped, sampledSize)
	}
	for _, c := range []struct {
		name       string
		key, value uint32
	}{
		{"conns", 8, connSize}, {"hot", 4, connSize}, {"pending", 16, eventSize}, {"lost", 4, 8},
		{"want_pid", 4, 1}, {"want_name", uint32(len(event.Comm{})), 1},
	} {
		m := spec.Maps[c.name]
		if m == nil || m.KeySize != c.key || m.ValueSize != c.value {
			t.Errorf("map %s is %v, want keys of %d and values of %d bytes", c.name, m, c.key, c.value)
		}
	}
	if n := spec.Maps["lost"].MaxEntries; n != uint32(len(causes)) {
		t.Errorf("the kernel counts %d causes of loss, causes names %d", n, len(causes))
	}
}

// Numbers that C and Go both give a name.
func TestEnumValues(t *testing.T) {
	events, conns := header(t, "ktls_event.h"), header(t, "ktls_conn.h")
	for _, c := range []struct {
		text, enum string
		want       map[string]int
	}{
		{events, "kind", map[string]int{"KIND_RECORD": kindRecord, "KIND_SOCKET": kindSocket, "KIND_ERROR": kindError, "KIND_OPENED": kindOpened}},
		{events, "dir", map[string]int{"DIR_TX": int(event.TX), "DIR_RX": int(event.RX)}},
		{events, "op", map[string]int{"OP_NONE": int(event.OpNone), "OP_SEND": int(event.OpSend), "OP_SENDFILE": int(event.OpSendfile),
			"OP_SPLICE": int(event.OpSplice), "OP_RECV": int(event.OpRecv), "OP_SPLICE_READ": int(event.OpSpliceRead), "OP_READ_SOCK": int(event.OpReadSock)}},
		{events, "state", map[string]int{"STATE_FOUND": int(event.SocketFound), "STATE_OPEN": int(event.SocketOpen),
			"STATE_REKEY": int(event.SocketRekey), "STATE_CLOSE": int(event.SocketClose)}},
		{events, "flag", map[string]int{"FLAG_ZEROCOPY": flagZeroCopy, "FLAG_RETURN_LATER": flagReturnLater, "FLAG_KTHREAD": flagKthread,
			"FLAG_PAYLOAD": flagPayload, "FLAG_ASYNC": flagAsync, "FLAG_HIDDEN": flagHidden, "FLAG_CONTROL": flagControl, "FLAG_PUSHED": flagPushed}},
		{events, "mode_bit", map[string]int{"MODE_NO_PAD": modeNoPad}},
		{conns, "tx_state", map[string]int{"TX_IDLE": 0, "TX_SEALING": txSealing}},
		{conns, "rx_state", map[string]int{"RX_IDLE": 0, "RX_OPENING": rxOpening, "RX_OPENED": rxOpened}},
	} {
		_, got := enumerators(t, c.text, c.enum)
		if len(got) != len(c.want) {
			t.Errorf("enum %s is %v, Go knows %v", c.enum, got, c.want)
		}
		for name, want := range c.want {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("enum %s: %s is %d (there: %v), Go has %d", c.enum, name, v, ok, want)
			}
		}
	}
}

func TestFlagsAreBits(t *testing.T) {
	_, flags := enumerators(t, header(t, "ktls_event.h"), "flag")
	seen := 0
	for name, bit := range flags {
		if bit <= 0 || bit > 0xff || bit&(bit-1) != 0 || seen&bit != 0 {
			t.Errorf("%s = %d is not a bit of its own in a byte", name, bit)
		}
		seen |= bit
	}
}

// Numbers of C that Go turns into a name which C's spells too.
func TestEnumNames(t *testing.T) {
	text := header(t, "ktls_event.h")
	spelled := map[string]string{"OP_NONE": "", "FUNC_RECVMSG": "tls_sw_recvmsg"}
	at := func(names []string) func(int) string {
		return func(i int) string {
			if i >= len(names) {
				return ""
			}
			return names[i]
		}
	}
	for _, c := range []struct {
		enum, prefix, goPrefix, end string
		name                        func(int) string
	}{
		{"op", "OP_", "", "", func(i int) string { return event.Op(i).String() }},
		{"state", "STATE_", "", "", func(i int) string { return event.SocketState(i).String() }},
		{"dir", "DIR_", "", "", func(i int) string { return event.Dir(i).String() }},
		{"func", "FUNC_", "tls_", "", at(funcs[:])},
		{"lost", "LOST_", "", "LOST_MAX", at(causes[:])},
	} {
		names, values := enumerators(t, text, c.enum)
		for _, id := range names {
			want := c.goPrefix + strings.ToLower(strings.TrimPrefix(id, c.prefix))
			if other, ok := spelled[id]; ok || id == c.end {
				want = other
			}
			if got := c.name(values[id]); got != want {
				t.Errorf("%s = %d is called %q, want %q", id, values[id], got, want)
			}
		}
		if c.enum == "func" && len(funcs) != len(names)+1 {
			t.Errorf("funcs has %d names, enum func %d values from 1 on", len(funcs), len(names))
		}
	}
}

func TestKernelNumbers(t *testing.T) {
	text := header(t, "ktls_kernel.h")
	for name, want := range map[string]int{
		"TLS_BASE": int(event.ModeNone), "TLS_SW": int(event.ModeSW), "TLS_HW": int(event.ModeHW),
		"AF_INET": int(event.FamilyINET), "AF_INET6": int(event.FamilyINET6), "PAGE_SIZE": pageSize,
	} {
		if got := define(t, text, name); got != want {
			t.Errorf("%s is %d, Go has %d", name, got, want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	payload := func(n uint32, data string) []byte {
		b := append(make([]byte, payloadSize), data...)
		binary.NativeEndian.PutUint32(b[28:], n)
		return b
	}
	var w wireEvent
	var p wirePayload
	for _, c := range []struct {
		name   string
		decode func([]byte) error
		b      []byte
		ok     bool
	}{
		{"no event", w.decode, nil, false},
		{"event cut by a byte", w.decode, make([]byte, eventSize-1), false},
		{"event", w.decode, make([]byte, eventSize), true},
		{"event with a tail", w.decode, make([]byte, eventSize+8), true},
		{"no payload", p.decode, nil, false},
		{"head cut by a byte", p.decode, make([]byte, payloadSize-1), false},
		{"empty payload", p.decode, payload(0, ""), true},
		{"whole reservation", p.decode, payload(4, "abcd"), true},
		{"part of a reservation", p.decode, payload(2, "abcd"), true},
		{"one byte too many", p.decode, payload(5, "abcd"), false},
		{"largest length", p.decode, payload(1<<32-1, "abcd"), false},
	} {
		if err := c.decode(c.b); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPayloadLength(t *testing.T) {
	b := append(make([]byte, payloadSize), "abcd"...)
	binary.NativeEndian.PutUint32(b[28:], 2)
	var p wirePayload
	if err := p.decode(b); err != nil || string(p.data) != "ab" {
		t.Errorf("got %q, %v", p.data, err)
	}
}

// From here on: what an event means.

func TestLatency(t *testing.T) {
	for _, c := range []struct {
		name  string
		stamp [4]uint64
		want  event.Latency
	}{
		{"all known", [4]uint64{100, 110, 130, 160}, event.Latency{Stage: [3]uint64{10, 20, 30}, Total: 60}},
		{"no time passed", [4]uint64{100, 100, 100, 100}, event.Latency{}},
		{"nothing known", [4]uint64{}, event.Latency{}},
		{"begin unknown", [4]uint64{0, 110, 130, 160}, event.Latency{Stage: [3]uint64{0, 20, 30}}},
		{"seal unknown", [4]uint64{100, 110, 0, 160}, event.Latency{Stage: [3]uint64{10, 0, 0}, Total: 60}},
		{"return unknown", [4]uint64{100, 110, 130, 0}, event.Latency{Stage: [3]uint64{10, 20, 0}}},
		{"clock goes back", [4]uint64{100, 90, 130, 95}, event.Latency{Stage: [3]uint64{0, 40, 0}}},
	} {
		if got := latency(&c.stamp); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct{ from, to, want uint64 }{
		{0, 0, 0}, {0, 5, 0}, {5, 0, 0}, {5, 5, 0}, {5, 6, 1}, {6, 5, 0}, {1, 1<<64 - 1, 1<<64 - 2},
	} {
		if got := span(c.from, c.to); got != c.want {
			t.Errorf("span(%d, %d) = %d, want %d", c.from, c.to, got, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	b := [16]byte{192, 0, 2, 1, 0xff}
	for _, c := range []struct {
		family event.Family
		want   netip.Addr
	}{
		{event.FamilyINET, netip.MustParseAddr("192.0.2.1")},
		{event.FamilyINET6, netip.AddrFrom16(b)},
		{0, netip.Addr{}},
		{1, netip.Addr{}},
	} {
		w := wireEvent{Family: uint8(c.family), LAddr: b, RAddr: b}
		if got := w.conn(); got.LAddr != c.want || got.RAddr != c.want || got.Family != c.family {
			t.Errorf("family %d: %v and %v, want %v", c.family, got.LAddr, got.RAddr, c.want)
		}
	}
}

func TestRecord(t *testing.T) {
	r := event.Record{Payload: []byte("of an earlier record"), Control: &event.Control{}}
	w := wireEvent{
		Stamp: [4]uint64{1, 2, 4, 8}, Seq: 7, Conn: 3, PID: 10, TID: 11, UID: 12, Cgroup: 13, Len: 100, Gen: 2, Hidden: 5,
		Version: 0x304, Cipher: 52, Dir: 1, Type: 23, Op: 4, Mode: 1, Flags: flagZeroCopy | flagKthread, Comm: event.MakeComm("nginx"),
	}
	w.record(&r)
	if r.Payload != nil || r.Control != nil {
		t.Errorf("something of an earlier record is left: %+v", r)
	}
	wantProc := event.Process{PID: 10, TID: 11, UID: 12, CgroupID: 13, Kernel: true, Comm: event.MakeComm("nginx")}
	wantTLS := event.TLS{Version: 0x304, Cipher: 52, Mode: event.ModeSW, ZeroCopy: true}
	if r.Proc != wantProc || r.TLS != wantTLS || r.Conn.ID != 3 {
		t.Errorf("got %+v", r)
	}
	if r.Dir != event.RX || r.Seq != 7 || r.Gen != 2 || r.Type != event.ApplicationData || r.Len != 100 ||
		r.Op != event.OpRecv || r.Hidden != 5 || r.Mono != 8 || r.Lat.Total != 7 {
		t.Errorf("got %+v", r)
	}
	w.Mode |= modeNoPad
	if w.record(&r); r.TLS.Mode != event.ModeSW || !r.TLS.NoPad {
		t.Errorf("without padding: %+v", r.TLS)
	}
	w.Stamp = [4]uint64{1, 2, 4, 0}
	if w.record(&r); r.Mono != 4 {
		t.Errorf("a record that never returned is of %d, want its last known time, 4", r.Mono)
	}
}

func TestControl(t *testing.T) {
	for _, c := range []struct {
		name  string
		typ   event.ContentType
		flags uint8
		want  *event.Control
	}{
		{"alert", event.Alert, flagControl, &event.Control{AlertLevel: 2, AlertDescription: 20}},
		{"handshake", event.Handshake, flagControl, &event.Control{HandshakeType: 2}},
		{"alert that could not be read", event.Alert, 0, nil},
		{"data", event.ApplicationData, 0, nil},
	} {
		w := wireEvent{Type: uint8(c.typ), Flags: c.flags, Ctl: [2]uint8{2, 20}}
		var r event.Record
		w.record(&r)
		if got := r.Control; (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSocket(t *testing.T) {
	w := wireEvent{
		Stamp: [4]uint64{10, 11, 12, 13}, Seq: 99, Conn: 3, PID: 5, Gen: 2<<16 | 1, Version: 0x303, Cipher: 51,
		Kind: kindSocket, Dir: 1, State: 3, ModeTX: 1, ModeRX: 2,
	}
	s := w.socket()
	if s.State != event.SocketRekey || s.Conn.ID != 3 || s.Proc.PID != 5 || s.Mono != 99 || s.Dir != event.RX {
		t.Errorf("got %+v", s)
	}
	if s.TX.Mode != event.ModeSW || s.RX.Mode != event.ModeHW || s.TX.Version != 0x303 || s.RX.Cipher != 51 {
		t.Errorf("got %+v and %+v", s.TX, s.RX)
	}
	if s.NextTX != 10 || s.NextRX != 11 || s.Hidden != [2]uint64{12, 13} || s.GenTX != 1 || s.GenRX != 2 {
		t.Errorf("got %+v", s)
	}
}

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		fn   uint8
		want string
	}{{0, ""}, {1, "tls_rx_one_record"}, {2, "tls_err_abort"}, {uint8(len(funcs)), ""}, {255, ""}} {
		w := wireEvent{Stamp: [4]uint64{1, 2, 3, 4}, Seq: 9, Err: 74, Dir: 1, Type: 23, Func: c.fn}
		e := w.failure()
		if e.Func != c.want || e.Errno != 74 || e.Mono != 4 || e.Seq != 9 || e.Dir != event.RX || e.Type != event.ApplicationData {
			t.Errorf("func %d: got %+v", c.fn, e)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(distinct(eventSize - 1))
	f.Add(distinct(eventSize))
	f.Add(bytes.Repeat([]byte{0xff}, eventSize))
	for kind := range uint8(4) {
		w := wireEvent{Kind: kind, Dir: 1, Type: 21, Flags: flagControl | flagPayload, State: uint8(event.SocketClose)}
		f.Add(w.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var w wireEvent
		err := w.decode(b)
		if (err != nil) != (len(b) < eventSize) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil {
			return
		}
		out := 0
		count := func(event.Event) error { out++; return nil }
		a := newAssembler(func(func(wirePayload) bool) error { return nil })
		if err := a.add(&w, count); err != nil {
			t.Fatal(err)
		}
		if err := a.flush(count); err != nil {
			t.Fatal(err)
		}
		known := w.Kind == kindRecord || w.Kind == kindSocket || w.Kind == kindError
		if known != (out == 1) {
			t.Fatalf("kind %d gave %d events", w.Kind, out)
		}
	})
}

func FuzzDecodePayload(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(distinct(payloadSize - 1))
	f.Add(make([]byte, payloadSize))
	f.Add(wirePayload{payloadKey{1, 2, 7, 3, 1}, []byte("plaintext")}.encode(512))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p wirePayload
		if err := p.decode(b); err != nil {
			return
		}
		if again := p.encode(0); !bytes.HasPrefix(b, again[:24]) || !bytes.Equal(p.data, again[payloadSize:]) {
			t.Fatalf("% x decodes to %+v", b, p)
		}
	})
}

// encode is the inverse of decode: what the kernel writes.
func (w *wireEvent) encode() []byte {
	b := make([]byte, 0, eventSize)
	for _, v := range []any{
		w.Stamp, w.Seq, w.Conn, w.Cookie, w.Cgroup, w.PID, w.TID, w.UID, w.NetNS, w.Len, w.Gen, w.Hidden, w.Start,
		w.LAddr, w.RAddr, w.Comm, w.Err, w.Version, w.Cipher, w.LPort, w.RPort, w.Kind, w.Dir, w.Type, w.Op, w.Mode, w.Family, w.Flags, w.State,
		w.Ctl, w.ModeTX, w.ModeRX, w.Func, w.Matched, w.Hits, w.Skipped,
	} {
		b, _ = binary.Append(b, binary.NativeEndian, v)
	}
	return b
}

// encode writes a payload into a reservation with room bytes to spare.
func (p wirePayload) encode(room int) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint64(nil, p.key.conn)
	b = ne.AppendUint64(b, p.key.seq)
	b = ne.AppendUint64(b, p.key.begun)
	b = ne.AppendUint32(b, p.key.gen)
	b = ne.AppendUint32(b, uint32(len(p.data)))
	b = append(b, p.key.dir, 0, 0, 0, 0, 0, 0, 0)
	return append(append(b, p.data...), make([]byte, room)...)
}

func TestEncodeIsTheInverse(t *testing.T) {
	b := distinct(eventSize)
	var w wireEvent
	if err := w.decode(b); err != nil {
		t.Fatal(err)
	}
	if got := w.encode(); !bytes.Equal(got, b) {
		t.Errorf("got\n% x, want\n% x", got, b)
	}
}

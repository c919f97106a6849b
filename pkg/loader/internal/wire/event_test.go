package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
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
func compareFields(t *testing.T, b []byte, fields []objecttest.Field, got map[string]any) {
	t.Helper()
	for _, f := range fields {
		if f.Name == "pad" {
			continue
		}
		v, ok := got[f.Name]
		if !ok {
			t.Errorf("field %s at %d is not decoded", f.Name, f.Offset)
			continue
		}
		delete(got, f.Name)
		raw, err := binary.Append(nil, binary.NativeEndian, v)
		if err != nil {
			t.Fatal(err)
		}
		if want := b[f.Offset : f.Offset+f.Size]; !bytes.Equal(raw, want) {
			t.Errorf("field %s is % x, want the %d bytes at %d, % x", f.Name, raw, f.Size, f.Offset, want)
		}
	}
	for name := range got {
		t.Errorf("the C struct has no field %s", name)
	}
}

// The Go types are the compiled structs, field by field, and nothing lies
// between what Go and what C takes for a field.
func TestLayouts(t *testing.T) {
	spec := objecttest.Object(t)
	for name, goType := range map[string]reflect.Type{
		"record": reflect.TypeFor[Rec](), "about_socket": reflect.TypeFor[object.KtlsAboutSocket](), "failure": reflect.TypeFor[object.KtlsFailure](),
		"event": reflect.TypeFor[Event](), "conn": reflect.TypeFor[object.KtlsConn](), "sums": reflect.TypeFor[Sums](), "side": reflect.TypeFor[side](),
	} {
		fields, size := objecttest.BTFFields(t, spec, name)
		mine := slices.DeleteFunc(reflect.VisibleFields(goType), func(f reflect.StructField) bool { return f.Name == "_" })
		if int(goType.Size()) != size || len(mine) != len(fields) {
			t.Fatalf("struct %s has %d bytes and %d fields, the Go type %d and %d: run make generate", name, size, len(fields), goType.Size(), len(mine))
		}
		for i, f := range fields {
			g := mine[i]
			if f.Name == "" { // of the union Go has the first part
				f.Name = "rec"
			}
			if !strings.EqualFold(g.Name, strings.ReplaceAll(f.Name, "_", "")) || int(g.Offset) != f.Offset || int(g.Type.Size()) != f.Size {
				t.Errorf("struct %s: %s at %d, %d bytes; in Go %s at %d, %d bytes", name, f.Name, f.Offset, f.Size, g.Name, g.Offset, g.Type.Size())
			}
		}
	}
}

// What the ring holds is taken as it is.
func TestDecode(t *testing.T) {
	var e Event
	b := distinct(EventSize)
	if e.Decode(b) == nil {
		t.Errorf("an event of layout %d is decoded", b[0])
	}
	b[0], b[2] = Layout, ProtoTLS
	if e.Decode(b) != nil || !bytes.Equal(e.Bytes(), b) || e.Conn != binary.NativeEndian.Uint64(b[8:]) {
		t.Errorf("% x", e.Bytes())
	}
}

func TestHeaderIsTheObjects(t *testing.T) {
	for _, part := range []string{"record", "about_socket", "failure"} {
		want, size := objecttest.BTFFields(t, objecttest.Object(t), part)
		got, n := objecttest.CFields(t, objecttest.Header(t, "ktls_event.h"), part)
		if n != size || !slices.Equal(got, want) {
			t.Errorf("ktls_event.h lays struct %s out as\n%v (%d bytes), the object as\n%v (%d bytes): run make generate", part, got, n, want, size)
		}
	}
}

func TestPayloadLayout(t *testing.T) {
	fields, size := objecttest.CFields(t, objecttest.Header(t, "ktls_event.h"), "payload")
	if size != payloadSize {
		t.Fatalf("struct payload has %d bytes, want payloadSize, %d", size, payloadSize)
	}
	at := func(name string) int {
		return fields[slices.IndexFunc(fields, func(f objecttest.Field) bool { return f.Name == name })].Offset
	}
	b := append(distinct(size), "plaintext"...)
	binary.NativeEndian.PutUint32(b[at("len"):], 9)
	binary.NativeEndian.PutUint64(b[at("dir"):], 1)
	var p Payload
	if err := p.Decode(b); err != nil {
		t.Fatal(err)
	}
	compareFields(t, b, fields, map[string]any{
		"conn": p.Key.Conn, "seq": p.Key.Seq, "begun": p.Key.Begun, "gen": p.Key.Gen, "dir": uint64(p.Key.Dir),
		"len": uint32(len(p.Data)), "data": []byte(nil),
	})
	if string(p.Data) != "plaintext" {
		t.Errorf("data is %q", p.Data)
	}
}

// Numbers that C and Go both give a name.
func TestEnumValues(t *testing.T) {
	events, conns := objecttest.Header(t, "ktls_event.h"), objecttest.Header(t, "ktls_conn.h")
	for _, c := range []struct {
		text, enum string
		want       map[string]int
	}{
		{events, "kind", map[string]int{"KIND_RECORD": KindRecord, "KIND_SOCKET": KindSocket, "KIND_ERROR": KindError, "KIND_OPENED": KindOpened,
			"KIND_CARD": KindCard, "KIND_HELD": KindHeld, "KIND_DROP": KindDrop}},
		{events, "proto", map[string]int{"PROTO_TLS": int(ProtoTLS), "PROTO_DTLS": int(ProtoDTLS)}},
		{events, "dir", map[string]int{"DIR_TX": int(event.TX), "DIR_RX": int(event.RX)}},
		{events, "op", map[string]int{"OP_NONE": int(event.OpNone), "OP_SEND": int(event.OpSend), "OP_SENDFILE": int(event.OpSendfile),
			"OP_SPLICE": int(event.OpSplice), "OP_RECV": int(event.OpRecv), "OP_SPLICE_READ": int(event.OpSpliceRead), "OP_READ_SOCK": int(event.OpReadSock),
			"OP_URING_SEND": int(event.OpUringSend), "OP_URING_RECV": int(event.OpUringRecv)}},
		{events, "state", map[string]int{"STATE_FOUND": int(event.SocketFound), "STATE_OPEN": int(event.SocketOpen),
			"STATE_REKEY": int(event.SocketRekey), "STATE_CLOSE": int(event.SocketClose), "STATE_AWAITS_KEY": int(event.SocketAwaitsKey)}},
		{events, "flag", map[string]int{"FLAG_ZEROCOPY": FlagZeroCopy, "FLAG_RETURN_LATER": FlagReturnLater, "FLAG_KTHREAD": FlagKthread,
			"FLAG_PAYLOAD": FlagPayload, "FLAG_ASYNC": FlagAsync, "FLAG_HIDDEN": FlagHidden, "FLAG_CONTROL": FlagControl, "FLAG_PUSHED": FlagPushed}},
		{events, "mode_bit", map[string]int{"MODE_NO_PAD": modeNoPad}},
		{conns, "tx_state", map[string]int{"TX_IDLE": 0, "TX_SEALING": txSealing}},
		{conns, "rx_state", map[string]int{"RX_IDLE": 0, "RX_OPENING": rxOpening, "RX_OPENED": rxOpened}},
	} {
		_, got := objecttest.Enumerators(t, c.text, c.enum)
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
	_, flags := objecttest.Enumerators(t, objecttest.Header(t, "ktls_event.h"), "flag")
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
	text := objecttest.Header(t, "ktls_event.h")
	spelled := map[string]string{"OP_NONE": "", "FUNC_RECVMSG": "tls_sw_recvmsg", "FUNC_SENDMSG": "tls_sw_sendmsg", "FUNC_SPLICE_READ": "tls_sw_splice_read",
		"FUNC_WAIT_MEMORY": "sk_stream_wait_memory", "FUNC_SET_ULP": "tcp_set_ulp"}
	at := func(names []string) func(int) string {
		return func(i int) string {
			if i >= len(names) {
				return ""
			}
			return names[i]
		}
	}
	for _, c := range []struct {
		enum, prefix, goPrefix string
		name                   func(int) string
	}{
		{"op", "OP_", "", func(i int) string { return event.Op(i).String() }},
		{"state", "STATE_", "", func(i int) string { return event.SocketState(i).String() }},
		{"dir", "DIR_", "", func(i int) string { return event.Dir(i).String() }},
		{"func", "FUNC_", "tls_", at(funcs[:])},
	} {
		names, values := objecttest.Enumerators(t, text, c.enum)
		for _, id := range names {
			want := c.goPrefix + strings.ToLower(strings.TrimPrefix(id, c.prefix))
			if other, ok := spelled[id]; ok {
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

// A time that was not measured is reported as unknown.
func TestForgetUnmeasured(t *testing.T) {
	if n := objecttest.Define(t, objecttest.Header(t, "ktls_stages.h"), "NOT_MEASURED"); n != notMeasured {
		t.Errorf("NOT_MEASURED is %d, Go has %d", n, notMeasured)
	}
	w := Event{Rec: Rec{Stamp: [4]uint64{5, notMeasured, notMeasured, 9}}}
	if w.ForgetUnmeasured(); w.Rec.Stamp != [4]uint64{5, 0, 0, 9} {
		t.Errorf("%v", w.Rec.Stamp)
	}
}

func TestKernelNumbers(t *testing.T) {
	text := objecttest.Header(t, "ktls_types.h")
	for name, want := range map[string]int{
		"TLS_BASE": int(event.ModeNone), "TLS_SW": int(event.ModeSW), "TLS_HW": int(event.ModeHW),
		"AF_INET": int(event.FamilyINET), "AF_INET6": int(event.FamilyINET6),
	} {
		if got := objecttest.Define(t, text, name); got != want {
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
	whole := append([]byte{Layout, KindRecord, ProtoTLS}, make([]byte, EventSize-3)...)
	var w Event
	var p Payload
	for _, c := range []struct {
		name   string
		decode func([]byte) error
		b      []byte
		ok     bool
	}{
		{"no event", w.Decode, nil, false},
		{"event cut by a byte", w.Decode, whole[:EventSize-1], false},
		{"event", w.Decode, whole, true},
		{"event with a tail", w.Decode, append(whole, 0, 0, 0, 0, 0, 0, 0, 0), true},
		{"of another layout", w.Decode, append([]byte{Layout + 1}, whole[1:]...), false},
		{"of another protocol", w.Decode, slices.Concat(whole[:2], []byte{ProtoDTLS + 1}, whole[3:]), false},
		{"no payload", p.Decode, nil, false},
		{"head cut by a byte", p.Decode, make([]byte, payloadSize-1), false},
		{"empty payload", p.Decode, payload(0, ""), true},
		{"whole reservation", p.Decode, payload(4, "abcd"), true},
		{"part of a reservation", p.Decode, payload(2, "abcd"), true},
		{"one byte too many", p.Decode, payload(5, "abcd"), false},
		{"largest length", p.Decode, payload(1<<32-1, "abcd"), false},
	} {
		if err := c.decode(c.b); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPayloadLength(t *testing.T) {
	b := append(make([]byte, payloadSize), "abcd"...)
	binary.NativeEndian.PutUint32(b[28:], 2)
	var p Payload
	if err := p.Decode(b); err != nil || string(p.Data) != "ab" {
		t.Errorf("got %q, %v", p.Data, err)
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
		if got := Span(c.from, c.to); got != c.want {
			t.Errorf("Span(%d, %d) = %d, want %d", c.from, c.to, got, c.want)
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
		w := Event{Family: uint8(c.family), Laddr: b, Raddr: b}
		if got := w.conn(); got.LAddr != c.want || got.RAddr != c.want || got.Family != c.family {
			t.Errorf("family %d: %v and %v, want %v", c.family, got.LAddr, got.RAddr, c.want)
		}
	}
}

func TestRecord(t *testing.T) {
	r := event.Record{Payload: []byte("of an earlier record"), Control: &event.Control{}}
	w := Event{
		Conn: 3, Pid: 10, Tid: 11, Uid: 12, Cgroup: 13, Gen: 2, Version: 0x304, Cipher: 52, Dir: 1, Type: 23, Mode: 1, Flags: FlagZeroCopy | FlagKthread, Comm: event.MakeComm("nginx"),
		Rec: Rec{Stamp: [4]uint64{1, 2, 4, 8}, Seq: 7, Len: 100, Hidden: 5, Op: 4},
	}
	w.Record(&r)
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
	if w.Record(&r); r.TLS.Mode != event.ModeSW || !r.TLS.NoPad {
		t.Errorf("without padding: %+v", r.TLS)
	}
	w.Rec.Stamp = [4]uint64{1, 2, 4, 0}
	if w.Record(&r); r.Mono != 4 {
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
		{"alert", event.Alert, FlagControl, &event.Control{AlertLevel: 2, AlertDescription: 20}},
		{"handshake", event.Handshake, FlagControl, &event.Control{Handshakes: []uint8{2, 20}, Messages: 2, ContinuesInNext: true}},
		{"handshake whose messages are not known", event.Handshake, 0, &event.Control{}},
		{"empty", event.Handshake, 0, nil},
		{"alert that could not be read", event.Alert, 0, nil},
		{"data", event.ApplicationData, 0, nil},
	} {
		w := Event{Type: uint8(c.typ), Flags: c.flags, Rec: Rec{Len: 40, Ctl: [8]uint8{2, 20}, Messages: 2, MessageBits: 2}}
		if c.name == "empty" {
			w.Rec.Len = 0
		}
		var r event.Record
		w.Record(&r)
		if got := r.Control; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSocket(t *testing.T) {
	w := Event{Conn: 3, Pid: 5, Version: 0x303, Cipher: 51, Kind: KindSocket, Dir: 1}
	*w.AboutSocket() = object.KtlsAboutSocket{Time: 99, Next: [2]uint64{10, 11}, Hidden: [2]uint64{12, 13},
		Gen: [2]uint32{1 << 17, 1<<32 - 1}, Skipped: [2]uint32{7, 8}, Mode: [2]uint8{1, 2}, State: 3}
	s := w.Socket()
	if s.State != event.SocketRekey || s.Conn.ID != 3 || s.Proc.PID != 5 || s.Mono != 99 || s.Dir != event.RX {
		t.Errorf("got %+v", s)
	}
	if s.TX.Mode != event.ModeSW || s.RX.Mode != event.ModeHW || s.TX.Version != 0x303 || s.RX.Cipher != 51 {
		t.Errorf("got %+v and %+v", s.TX, s.RX)
	}
	if s.NextTX != 10 || s.NextRX != 11 || s.Hidden != [2]uint64{12, 13} || s.Skipped != [2]uint64{7, 8} ||
		s.GenTX != 1<<17 || s.GenRX != 1<<32-1 {
		t.Errorf("got %+v", s)
	}
}

func TestSocketOfCard(t *testing.T) {
	w := Event{Conn: 3, Pid: 5, Version: 0x303, Cipher: 51, Kind: KindCard}
	*(*object.KtlsAboutCard)(unsafe.Pointer(&w.Rec)) = object.KtlsAboutCard{Time: 99, Next: [2]uint64{10, 11}, Resyncs: [2]uint64{12, 13},
		Fallback: 14, Gen: [2]uint32{1, 2}, Mode: [2]uint8{2, 1}, Gone: 1}
	s := w.SocketOfCard()
	if s.State != event.SocketCard || s.Conn.ID != 3 || s.Proc.PID != 5 || s.Mono != 99 || s.NextTX != 10 || s.NextRX != 11 || s.GenTX != 1 || s.GenRX != 2 {
		t.Errorf("got %+v", s)
	}
	if s.TX.Mode != event.ModeHW || s.RX.Mode != event.ModeSW || s.TX.Cipher != 51 {
		t.Errorf("got %+v and %+v", s.TX, s.RX)
	}
	if want := (event.Offload{Resyncs: [2]uint64{12, 13}, Fallback: 14, Removed: true}); *s.Offload != want {
		t.Errorf("got %+v, want %+v", *s.Offload, want)
	}
}

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		fn   uint8
		want string
	}{{0, ""}, {1, "tls_rx_one_record"}, {2, "tls_err_abort"}, {uint8(len(funcs)), ""}, {255, ""}} {
		w := Event{Dir: 1, Type: 23}
		*w.AboutFailure() = object.KtlsFailure{Time: 4, Seq: 9, Err: 74, Func: c.fn}
		e := w.Failure()
		if e.Func != c.want || e.Errno != 74 || e.Mono != 4 || e.Seq != 9 || e.Dir != event.RX || e.Type != event.ApplicationData {
			t.Errorf("func %d: got %+v", c.fn, e)
		}
	}
}

func FuzzDecodePayload(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(distinct(payloadSize - 1))
	f.Add(make([]byte, payloadSize))
	f.Add(encode(Payload{PayloadKey{1, 2, 7, 3, 1}, []byte("plaintext")}, 512))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Payload
		if err := p.Decode(b); err != nil {
			return
		}
		if again := encode(p, 0); !bytes.HasPrefix(b, again[:24]) || !bytes.Equal(p.Data, again[payloadSize:]) {
			t.Fatalf("% x decodes to %+v", b, p)
		}
	})
}

// encode writes a payload into a reservation with room bytes to spare.
func encode(p Payload, room int) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint64(nil, p.Key.Conn)
	b = ne.AppendUint64(b, p.Key.Seq)
	b = ne.AppendUint64(b, p.Key.Begun)
	b = ne.AppendUint32(b, p.Key.Gen)
	b = ne.AppendUint32(b, uint32(len(p.Data)))
	b = append(b, p.Key.Dir, 0, 0, 0, 0, 0, 0, 0)
	return append(append(b, p.Data...), make([]byte, room)...)
}

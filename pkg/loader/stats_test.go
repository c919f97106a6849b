package loader

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// The kernel's bytes are taken as they are: Go's layout must be C's, field by field.
func TestStatsLayout(t *testing.T) {
	for name, goType := range map[string]reflect.Type{
		"stats": reflect.TypeFor[wireStats](), "side": reflect.TypeFor[wireSide](),
	} {
		fields, size := btfFields(t, object(t), name)
		if int(goType.Size()) != size || goType.NumField() != len(fields) {
			t.Fatalf("struct %s has %d bytes and %d fields, the Go type %d and %d", name, size, len(fields), goType.Size(), goType.NumField())
		}
		for i, f := range fields {
			g := goType.Field(i)
			if !strings.EqualFold(g.Name, f.name) || int(g.Offset) != f.offset || int(g.Type.Size()) != f.size {
				t.Errorf("struct %s: %s at %d, %d bytes; in Go %s at %d, %d bytes", name, f.name, f.offset, f.size, g.Name, g.Offset, g.Type.Size())
			}
		}
	}
}

func TestStatsSample(t *testing.T) {
	w := wireStats{Conn: 7, Cookie: 8, NetNS: 9, LPort: 443, RPort: 5, Family: uint8(event.FamilyINET), Closed: 1}
	w.LAddr[0], w.RAddr[3] = 10, 1
	tx, rx := &w.Side[event.TX], &w.Side[event.RX]
	*tx = wireSide{Records: 3, Bytes: 300, Mono: 50, Next: 4, Gen: 2, PID: 40, Comm: event.MakeComm("old"), Version: 0x304, Cipher: 51, Mode: 1}
	*rx = wireSide{Records: 1, Bytes: 9, ZeroCopy: 1, Mono: 60, Next: 1, PID: 41, Comm: event.MakeComm("new"), Flags: flagKthread}
	tx.Log2[3][10], tx.Sum[3], tx.Max[3] = 3, 4000, 1900
	var s event.Sample
	w.sample(&s)
	if !s.Final || s.Conn.ID != 7 || s.Conn.Cookie != 8 || s.Conn.LAddr.String() != "10.0.0.0" || s.Conn.RAddr.String() != "0.0.0.1" {
		t.Errorf("%+v", s.Conn)
	}
	if s.Proc.Name() != "kernel:new" || s.Mono != 60 || s.Gen != [2]uint32{2, 0} || s.Next != [2]uint64{4, 1} {
		t.Errorf("%+v, at %d, keys %v, next %v", s.Proc, s.Mono, s.Gen, s.Next)
	}
	want := event.Totals{Records: [2]uint64{3, 1}, Bytes: [2]uint64{300, 9}}
	if s.Totals != want || s.TLS[0].ZeroCopy || !s.TLS[1].ZeroCopy || s.TLS[0].Version != 0x304 {
		t.Errorf("%+v, %+v", s.Totals, s.TLS)
	}
	if h := s.Lat[0][3]; h.N[10] != 3 || h.Sum != 4000 || h.Max != 1900 {
		t.Errorf("%+v", h)
	}
}

// What was in the making when the hooks went away is counted, without times.
func TestStatsAddUnfinished(t *testing.T) {
	var w wireStats
	e := sent(12)
	w.add(&e)
	w.add(&e)
	s := w.Side[event.TX]
	if w.Conn != e.Conn || s.Records != 2 || s.Bytes != 2*uint64(e.Len) || s.Next != 13 || s.PID != e.PID || s.Sum != [4]uint64{} {
		t.Errorf("%+v of connection %d", s, w.Conn)
	}
}

// No allocation for a connection.
func TestStatsSampleDoesNotAllocate(t *testing.T) {
	w := &wireStats{Conn: 7, Family: uint8(event.FamilyINET6)}
	var s event.Sample
	if n := testing.AllocsPerRun(100, func() { w.sample(&s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

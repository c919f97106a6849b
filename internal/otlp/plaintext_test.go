package otlp

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// The copy of a record has no room for bytes: no slice, no pointer to one, and strings
// only for the names of a process and of its host.
func TestRecordHasNoRoom(t *testing.T) {
	roomless(t, "record", reflect.TypeFor[record]())
}

func roomless(t *testing.T, where string, typ reflect.Type) {
	t.Helper()
	switch typ {
	case reflect.TypeFor[netip.Addr](), reflect.TypeFor[event.Comm](), reflect.TypeFor[*event.Place]():
		return
	}
	switch typ.Kind() {
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			if typ == reflect.TypeFor[event.Conn]() && (f.Name == "Host" || f.Name == "KernelUser") {
				continue // Host names this run's host, KernelUser a kernel module: neither is data of a connection
			}
			roomless(t, where+"."+f.Name, f.Type)
		}
	case reflect.Array:
		roomless(t, where, typ.Elem())
		if typ.Elem().Kind() == reflect.Uint8 {
			t.Errorf("%s has room for bytes", where)
		}
	case reflect.String:
		t.Errorf("%s is a string: can a plaintext come there?", where)
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Chan, reflect.Func:
		t.Errorf("%s has room for bytes", where)
	}
}

// The other events that are copied have no bytes of a plaintext: whoever adds some must
// strip them here.
func TestOthersHaveNoPayload(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[event.Error](), reflect.TypeFor[event.Socket](), reflect.TypeFor[event.Lost](), reflect.TypeFor[event.Summary]()} {
		for _, f := range reflect.VisibleFields(typ) {
			if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Uint8 || f.Name == "Payload" {
				t.Errorf("%s.%s has bytes", typ, f.Name)
			}
		}
	}
}

// Events of all kinds with plaintext, through the whole pipeline: none of it arrives.
func TestPlaintextStays(t *testing.T) {
	secret := []byte("s3cret-plaintext")
	c := startCollector(t, nil)
	p, _ := startPush(t, Config{Slow: time.Nanosecond, Connections: true, CloseNotify: true})
	for typ := range 256 {
		r := &event.Record{Conn: conn, TLS: tls13, Proc: nginx, Type: event.ContentType(typ), Len: uint32(len(secret)), Payload: secret,
			Lat: event.Latency{Total: 1e9}, Control: &event.Control{AlertLevel: 2, AlertDescription: uint8(typ), Handshakes: secret[:8]}}
		p.Write(r)
		p.Flush()
	}
	p.Write(&finding.HTTP{Request: &finding.Request{Method: string(secret), Path: string(secret)}})
	p.Write(&finding.Exchange{Op: string(secret), Detail: string(secret), Status: string(secret)})
	p.Write(&finding.Note{Text: string(secret)})
	p.Write(&event.Error{Conn: conn, Proc: nginx, Errno: 74})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if len(c.named(alertRecord)) == 0 || len(c.named(recordSlow)) == 0 || len(c.named(recordError)) != 1 {
		t.Fatalf("%d records came, and not of all kinds", len(c.records()))
	}
	if got := len(c.records()) - len(c.named(alertRecord)) - len(c.named(recordSlow)); got != 1 {
		t.Errorf("%d events besides those expected", got-1)
	}
	for _, part := range [][]byte{secret, secret[:8], []byte("s3cret"), []byte("czNjcmV0")} {
		if bytes.Contains(c.raw, part) {
			t.Errorf("%q has left", part)
		}
	}
}

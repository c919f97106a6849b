package otlp

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// BenchmarkFlood measures what one of a flood of errors costs the reader of events.
func BenchmarkFlood(b *testing.B) {
	e, got, _ := newTestEvents(Config{})
	ev := &event.Error{Conn: conn, TLS: tls13, Proc: nginx, Errno: 74, Func: "tls_rx_one_record"}
	b.ReportAllocs()
	for b.Loop() {
		e.write(ev)
	}
	if len(got.records) != perSecond {
		b.Errorf("%d events", len(got.records))
	}
}

// BenchmarkEvent measures what an event that is sent costs the reader.
func BenchmarkEvent(b *testing.B) {
	e, got, _ := newTestEvents(Config{Connections: true})
	ev := &event.Socket{State: event.SocketOpen, Conn: conn, TX: tls13, Proc: nginx}
	b.ReportAllocs()
	for b.Loop() {
		e.write(ev)
		got.records = got.records[:0]
	}
	b.ReportMetric(float64(proto.Size(e.spell(openFact(ev)))), "bytes/record")
}

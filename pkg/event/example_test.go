package event_test

import (
	"fmt"
	"net/netip"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// A consumer selects the events that it knows by a type switch.
func Example() {
	conn := event.Conn{ID: 1, RAddr: netip.MustParseAddr("192.0.2.7"), RPort: 443}
	for _, e := range []event.Event{
		&event.Socket{State: event.SocketOpen, Conn: conn, Dir: event.TX},
		&event.Record{Conn: conn, Dir: event.TX, Type: event.ApplicationData, Len: 512, Lat: event.Latency{Total: 21_000}},
		&event.Record{Conn: conn, Dir: event.RX, Type: event.Alert, Len: 2, Control: &event.Control{AlertLevel: 1}},
		&event.Lost{Cause: "ring_full", Count: 3},
	} {
		switch e := e.(type) {
		case *event.Socket:
			fmt.Println(e.State, e.Dir, netip.AddrPortFrom(e.Conn.RAddr, e.Conn.RPort))
		case *event.Record:
			fmt.Println(e.Dir, e.Seq, e.Type, e.Len, "bytes")
			if e.Type == event.Alert && e.Control != nil {
				fmt.Println("  ", event.AlertLevel(e.Control.AlertLevel), event.AlertDescription(e.Control.AlertDescription))
			}
		case *event.Lost:
			fmt.Println("lost", e.Count, e.Cause)
		}
	}
	// Output:
	// open tx 192.0.2.7:443
	// tx 0 application_data 512 bytes
	// rx 0 alert 2 bytes
	//    warning close_notify
	// lost 3 ring_full
}

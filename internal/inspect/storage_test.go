package inspect

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/inspect/recording"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// The recordings of the storage packages, and how many exchanges each of them has.
var storageRecordings = []struct {
	file, protocol string
	exchanges      int
}{
	{"nvme/testdata/nvme.jsonl.gz", "nvme", 47},
	{"rpc/testdata/nfs42.jsonl.gz", "nfs", 109},
	{"rpc/testdata/nfs40.jsonl.gz", "nfs", 101},
}

// replay gives recorded events to an Inspector.
func replay(t testing.TB, cfg Config, all []event.Event) *shown {
	t.Helper()
	f := newFeed(t, cfg)
	for _, ev := range all {
		f.write(ev)
	}
	f.write(&event.Summary{})
	if f.in.held != 0 {
		t.Errorf("%d bytes are held", f.in.held)
	}
	return f.out
}

// TestStorage: the traffic of a real host, and of a real client, with their servers is
// reported as exchanges, and not one byte of it is shown.
func TestStorage(t *testing.T) {
	for _, c := range storageRecordings {
		out := replay(t, Config{}, recording.Events(t, c.file))
		if len(out.said) != c.exchanges || len(out.notes) > 0 || len(out.http) > 0 {
			t.Errorf("%s: %d exchanges, %d requests, %q", c.file, len(out.said), len(out.http), out.notes)
		}
		for _, x := range out.said {
			if x.Protocol != c.protocol || (x.Dir != event.TX) != strings.HasPrefix(x.Op, "CB_") || x.Conn.RPort == 0 || x.Mono == 0 || x.TLS.Version == 0 ||
				x.Duration == 0 && x.End == finding.Complete {
				t.Errorf("%s: %+v", c.file, x)
			}
		}
		for d := range out.payload {
			if i := bytes.IndexFunc(out.payload[d], func(r rune) bool { return r != '*' }); i >= 0 {
				t.Errorf("%s: byte %d of what is %v is shown", c.file, i, event.Dir(d))
			}
		}
		if n := strings.Count(string(out.text), "--no-redact"); n != len(recording.Records(t, c.file)) {
			t.Errorf("%s: says %d times how to see more", c.file, n)
		}
	}
}

// TestStorageUnmasked: with --no-redact every byte is there.
func TestStorageUnmasked(t *testing.T) {
	for _, c := range storageRecordings {
		var said [2]int
		for _, q := range recording.Records(t, c.file) {
			for _, r := range q {
				said[r.Dir] += len(r.Payload)
			}
		}
		out := replay(t, Config{Rules: NoRules()}, recording.Events(t, c.file))
		for d := range out.payload {
			if len(out.payload[d]) != said[d] || !bytes.ContainsFunc(out.payload[d], func(r rune) bool { return r != '*' }) {
				t.Errorf("%s: %d bytes %v, want %d", c.file, len(out.payload[d]), event.Dir(d), said[d])
			}
		}
	}
}

// TestStorageJoinedLate: without the first records, decoding begins with the later ones, and
// a note says once that something came before.
func TestStorageJoinedLate(t *testing.T) {
	for _, c := range storageRecordings {
		records := recording.Records(t, c.file)
		var late []event.Event
		for _, ev := range recording.Events(t, c.file) {
			if r, ok := ev.(*event.Record); ok {
				late = append(late, r)
			}
		}
		late = late[firstData(late):]
		for i, ev := range late { // like those of a socket that is older than the trace
			r := *ev.(*event.Record)
			r.HasStart, r.Start = false, 0
			late[i] = &r
		}
		out := replay(t, Config{}, late)
		if len(out.said) < c.exchanges/4 {
			t.Errorf("%s: %d exchanges of the second half", c.file, len(out.said))
		}
		for d := range out.payload {
			if i := bytes.IndexFunc(out.payload[d], func(r rune) bool { return r != '*' }); i >= 0 {
				t.Errorf("%s: byte %d of what is %v is shown", c.file, i, event.Dir(d))
			}
		}
		joined := 0
		for _, n := range out.notes {
			if strings.HasPrefix(n, "joined in the middle") {
				joined++
			}
		}
		if joined == 0 || joined > len(records) || len(out.notes) > 2*len(records) {
			t.Errorf("%s: %q", c.file, out.notes)
		}
	}
}

// firstData is the first record in the middle of data, which is text.
func firstData(all []event.Event) int {
	return slices.IndexFunc(all, func(ev event.Event) bool { return isText(ev.(*event.Record).Payload) })
}

// TestStorageGap: decoding continues after missing records, and a reply that was among them
// does not answer another call.
func TestStorageGap(t *testing.T) {
	for _, c := range storageRecordings {
		all := recording.Events(t, c.file)
		whole := replay(t, Config{}, all)
		known := map[string]bool{}
		key := func(x *finding.Exchange) string { return x.ID + x.Op + x.Detail + x.Status }
		for _, x := range whole.said {
			known[key(&x)] = true
		}
		for lost := 3; lost < len(all); lost += 7 {
			if _, ok := all[lost].(*event.Record); !ok {
				continue
			}
			out := replay(t, Config{}, append(append([]event.Event{}, all[:lost]...), all[lost+1:]...))
			for _, x := range out.said {
				if x.End == finding.Complete && !known[key(&x)] {
					t.Errorf("%s without event %d: %+v", c.file, lost, x)
				}
			}
			if len(out.said) < c.exchanges-4 {
				t.Errorf("%s without event %d: %d exchanges", c.file, lost, len(out.said))
			}
		}
	}
}

// TestStorageOneWay: if one direction is traced, a call is reported when it ends.
func TestStorageOneWay(t *testing.T) {
	for _, c := range storageRecordings {
		sent := slices.DeleteFunc(recording.Events(t, c.file), func(ev event.Event) bool {
			r, ok := ev.(*event.Record)
			return ok && r.Dir == event.RX
		})
		out := replay(t, Config{OneWay: true}, sent)
		for _, x := range out.said {
			if x.Dir == event.RX { // the reply to a callback
				continue
			}
			if x.Status != "" || x.Duration != 0 || x.Op == "" || x.RequestLen == 0 {
				t.Errorf("%s: %+v", c.file, x)
			}
		}
		if len(out.said) != c.exchanges {
			t.Errorf("%s: %d exchanges", c.file, len(out.said))
		}
	}
}

// TestStorageCut: if only the beginning of records is captured, the calls are reported all
// the same, and the lost parts are noted.
func TestStorageCut(t *testing.T) {
	for _, c := range storageRecordings {
		all := recording.Events(t, c.file)
		for _, ev := range all {
			if r, ok := ev.(*event.Record); ok {
				r.Payload = r.Payload[:min(len(r.Payload), 600)]
			}
		}
		out := replay(t, Config{}, all)
		if len(out.said) < c.exchanges*9/10 {
			t.Errorf("%s: %d exchanges, %q", c.file, len(out.said), out.notes)
		}
	}
}

// storageSaid are records of the recordings, for fuzzing.
func storageSaid(t testing.TB) (said [][]byte) {
	for _, c := range storageRecordings {
		for _, q := range recording.Records(t, c.file) {
			for _, r := range q[:10] {
				said = append(said, r.Payload[:min(len(r.Payload), 500)])
			}
		}
	}
	return said
}

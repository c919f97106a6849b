package inspect

import (
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestDatagrams: each record of DTLS is shown at once and by itself, and a missing one is not
// reported.
func TestDatagrams(t *testing.T) {
	f := newFeed(t, Config{})
	for i, payload := range []string{"hello", "GET / HTTP/1.1\r\nHost: x\r\n", "Authorization: Basic c2VjcmV0\r\n", "world"} {
		r := f.record(event.RX, []byte(payload))
		r.TLS.Version, r.Seq, r.HasStart = event.DTLS12, uint64(5*i), true
		f.write(r)
		if len(f.out.records) != i+1 {
			t.Errorf("%q waits for more", payload)
		}
	}
	got := f.close()
	for want, there := range map[string]bool{"hello": true, "world": true, "c2VjcmV0": false} {
		if strings.Contains(string(got.payload[event.RX]), want) != there {
			t.Errorf("%q is shown: %v in %q", want, !there, got.payload[event.RX])
		}
	}
	if len(got.notes) != 0 {
		t.Errorf("notes %q", got.notes)
	}
}

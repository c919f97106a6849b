package flow

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLosses(t *testing.T) {
	type counts = map[string]uint64
	for _, c := range []struct {
		name    string
		byCause counts
		gaps    uint64
		want    counts
		total   uint64
	}{
		{"nothing", nil, 0, counts{}, 0},
		{"gaps alone", nil, 3, counts{"gap": 3}, 3},
		{"explained", counts{"ring_full": 5}, 5, counts{"ring_full": 5}, 5},
		{"gaps not all seen yet", counts{"ring_full": 5}, 2, counts{"ring_full": 5}, 5},
		{"explained in part", counts{"ring_full": 5, "pending_map_full": 1}, 9, counts{"ring_full": 5, "pending_map_full": 1, "gap": 3}, 9},
		{"a connection without room explains no gap", counts{"conn_map_full": 5}, 5, counts{"conn_map_full": 5, "gap": 5}, 10},
		{"nor do events that are no records", counts{"ring_full_events": 5}, 5, counts{"ring_full_events": 5, "gap": 5}, 10},
		{"payload explains no gap", counts{"payload_ring_full": 5}, 5, counts{"payload_ring_full": 5, "gap": 5}, 10},
	} {
		got, total := Losses(c.byCause, c.gaps)
		if diff := cmp.Diff(c.want, got); diff != "" || total != c.total {
			t.Errorf("%s: total %d, want %d (-want +got):\n%s", c.name, total, c.total, diff)
		}
	}
}

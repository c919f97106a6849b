package event

import "testing"

func TestOffloadSay(t *testing.T) {
	for _, c := range []struct {
		o    Offload
		want string
	}{
		{Offload{}, "network card: seals and opens"},
		{Offload{Removed: true}, "network card: gone"},
		{Offload{Resyncs: [2]uint64{1, 4}}, "network card: tx 1 resync, rx 4 resyncs"},
		{Offload{Fallback: 1}, "network card: 1 packet sealed by the kernel"},
		{Offload{Resyncs: [2]uint64{RX: 2}, Fallback: 3, Removed: true}, "network card: gone, rx 2 resyncs, 3 packets sealed by the kernel"},
	} {
		if got := c.o.Describe(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.o, got, c.want)
		}
	}
}

package main

import (
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
)

// TestCannotMatch: a filter by which nothing can come is said, and none of those that may.
func TestCannotMatch(t *testing.T) {
	for _, c := range []struct {
		match string
		comms []string
		want  []string
	}{
		{"dir == tx", []string{"nginx", "kernel:nfsd", "k:kworker/u8:1"}, nil},
		{"", nil, nil},
		{"dir == tx and len > 3 and dir == rx", nil, []string{"--match can hold for nothing: dir == tx and dir == rx exclude each other"}},
		{"", []string{"nginx", " kernel:nvme_tcp"}, []string{"--comm nvme_tcp: that is no task but a part of the kernel: --match 'kernel_user == nvme_tcp' asks for its sockets"}},
	} {
		expr, err := match.Parse(c.match)
		if err != nil {
			t.Fatal(err)
		}
		if got := cannotMatch(expr, c.comms); !slices.Equal(got, c.want) {
			t.Errorf("--match %q --comm %q: %q, want %q", c.match, c.comms, got, c.want)
		}
	}
}

package tui

import (
	"net/netip"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestOwner: two queues of one controller differ, also where the cell is narrow.
func TestOwner(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.111")
	queue := event.Conn{KernelUser: "nvme_tcp", LPort: 52656, RAddr: peer, RPort: 4420}
	program := event.Conn{LPort: 52656, RAddr: peer, RPort: 4420}
	task := event.Process{Comm: event.MakeComm("dd")}
	glyphs := &glyphs{cut: "~"}
	for _, c := range []struct{ got, want string }{
		{string(appendOwner(nil, &queue, &task)), "[nvme_tcp]"},
		{string(appendOwner(nil, &program, &task)), "dd"},
		{string(appendOwner(nil, nil, &task)), "dd"},
		{string(appendOwner(nil, &event.Conn{KernelUser: "a\x1b[31m"}, &task)), "[a\uFFFD[31m]"},
		{string(appendRemote(nil, &queue, &env{glyphs: glyphs, width: 40})), "52656>192.0.2.111:4420"},
		{string(appendRemote(nil, &queue, &env{glyphs: glyphs, width: 15})), "52656>192~:4420"},
		{string(appendRemote(nil, &program, &env{glyphs: glyphs, width: 16})), "192.0.2.111:4420"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

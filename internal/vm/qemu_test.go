package vm

import (
	"slices"
	"strings"
	"testing"
)

func TestQemuArgs(t *testing.T) {
	c := Config{Kernel: &Kernel{"6.1", "6.1.0-1-amd64", "/cache"}, SMP: 2, MemMB: 512, Append: "slub_debug=FZPU", Shares: []string{"/a,b"}}
	args := strings.Join(qemuArgs(c, false), " ")
	for _, want := range []string{"-accel tcg,thread=multi -cpu max,erms=off,fsrm=off,la57=off -smp 2", "path=/,security_model=none,multidevs=remap,readonly=on",
		"id=share0,path=/a,,b,security_model=none,multidevs=remap -device", " loglevel=5 ", " slub_debug=FZPU -chardev"} {
		if !strings.Contains(args, want) {
			t.Errorf("no %q in %s", want, args)
		}
	}
	c.Icount = true
	if args := c.accelArgs(true); !slices.Contains(args, "shift=0,sleep=off") || !slices.Contains(args, "max") || slices.Contains(args, "kvm") {
		t.Errorf("counting instructions with %v", args)
	}
}

func TestTail(t *testing.T) {
	var all strings.Builder
	c := &tail{also: &all}
	for range 10000 {
		c.Write([]byte("0123456789 0123456789\r\n"))
	}
	c.Write([]byte("\x1b[2Jone\ntwo\n"))
	if got := c.lines(2); got != "[2Jone\ntwo" {
		t.Errorf("got %q", got)
	}
	if len(c.buf) > 2*tailBytes || all.Len() < 200_000 {
		t.Errorf("kept %d bytes, passed on %d", len(c.buf), all.Len())
	}
}

package event

import (
	"strings"
	"testing"
)

func TestComm(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"nginx", "nginx"}, {"fifteen-letters", "fifteen-letters"}, {"sixteen--letters", "sixteen--letter"},
		{"a\x00b", "a"}, {"\xff\x1b", "\xff\x1b"},
	} {
		if got := MakeComm(c.in).String(); got != c.want {
			t.Errorf("MakeComm(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	var full Comm
	for i := range full {
		full[i] = 'x'
	}
	if got := full.String(); got != strings.Repeat("x", 16) {
		t.Errorf("a name without NUL is %q", got)
	}
}

func TestProcessName(t *testing.T) {
	p := Process{Comm: MakeComm("kworker/u8:1")}
	if p.Name() != "kworker/u8:1" {
		t.Error(p.Name())
	}
	p.Kernel = true
	if p.Name() != "kernel:kworker/u8:1" {
		t.Error(p.Name())
	}
}

// A program that takes a kernel thread's name is not shown as one.
func TestForgedName(t *testing.T) {
	for _, c := range []struct {
		comm        string
		name, short string
	}{
		{"kernel:nvme", "kernel\xffnvme", "kernel:nvme"},
		{"kernel:", "kernel\xff", "kernel:"},
		{"k:nvme", "k:nvme", "k\xffnvme"},
		{"kernel", "kernel", "kernel"},
		{"", "", ""},
	} {
		p := Process{Comm: MakeComm(c.comm)}
		if got := string(p.AppendShort(nil)); p.Name() != c.name || got != c.short {
			t.Errorf("%q is shown as %q and %q, want %q and %q", c.comm, p.Name(), got, c.name, c.short)
		}
	}
	p := Process{Comm: MakeComm("kernel:x"), Kernel: true}
	if got := string(p.AppendShort(nil)); p.Name() != "kernel:kernel:x" || got != "k:kernel:x" {
		t.Errorf("a thread that is called kernel:x is shown as %q and %q", p.Name(), got)
	}
}

func TestTime(t *testing.T) {
	for _, ev := range []Event{&Record{Mono: 7}, &Socket{Mono: 7}, &Error{Mono: 7}, &Lost{Mono: 7}, &Summary{Mono: 7}} {
		if ev.Time() != 7 {
			t.Errorf("%T at 7 is at %d", ev, ev.Time())
		}
	}
}

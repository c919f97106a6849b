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
		comm, name string
	}{
		{"kernel:nvme", "kernel\xffnvme"}, {"kernel:", "kernel\xff"}, {"k:nvme", "k:nvme"}, {"kernel", "kernel"}, {"", ""},
	} {
		p := Process{Comm: MakeComm(c.comm)}
		if p.Name() != c.name {
			t.Errorf("%q is shown as %q, want %q", c.comm, p.Name(), c.name)
		}
	}
	p := Process{Comm: MakeComm("kernel:x"), Kernel: true}
	if p.Name() != "kernel:kernel:x" {
		t.Errorf("a thread that is called kernel:x is shown as %q", p.Name())
	}
}

func TestTime(t *testing.T) {
	for _, ev := range []Event{&Record{Mono: 7}, &Socket{Mono: 7}, &Error{Mono: 7}, &Lost{Mono: 7}, &Summary{Mono: 7}} {
		if ev.Time() != 7 {
			t.Errorf("%T at 7 is at %d", ev, ev.Time())
		}
	}
}

// TestOwner: what a part of the kernel has is its own, whoever makes the call.
func TestOwner(t *testing.T) {
	dd := Process{PID: 7, Comm: MakeComm("dd"), UID: 1000}
	c := Conn{}
	if got := c.Owner(&dd); got != dd || got.KernelUser() != "" {
		t.Errorf("a program's connection is of %+v", got)
	}
	c.KernelUser = "nvme_tcp"
	got := c.Owner(&dd)
	if got.Name() != "kernel:nvme_tcp" || got.PID != 0 || got.UID != 0 || got.KernelUser() != "nvme_tcp" {
		t.Errorf("the kernel's connection is of %+v", got)
	}
	if thread := (Process{PID: 9, Kernel: true, Comm: MakeComm("nfsd")}); thread.KernelUser() != "" {
		t.Error("a thread is a kernel user")
	}
}

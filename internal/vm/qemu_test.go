package vm

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestQemuArgs(t *testing.T) {
	c := Config{Kernel: &Kernel{"6.1", "6.1.0-1-amd64", "/cache"}, SMP: 2, MemMB: 512, Append: "slub_debug=FZPU", files: files{exports: []export{{"root", "/"}}}, Shares: []string{"/a,b"}}
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

func TestQemuArgsArm64(t *testing.T) {
	c := Config{Kernel: &Kernel{"6.12-arm64-16k", "6.12.1+deb13-arm64-16k", "/cache"}, SMP: 2, MemMB: 512}
	args := strings.Join(qemuArgs(c, false), " ")
	for _, want := range []string{"-M virt,gic-version=3 ", "-cpu neoverse-n1 -smp 2", "console=ttyAMA0 "} {
		if !strings.Contains(args, want) {
			t.Errorf("no %q in %s", want, args)
		}
	}
	if strings.Contains(args, "tsc=") {
		t.Errorf("a clock that arm64 has not: %s", args)
	}
	if a := c.Kernel.arch(); a.qemu != "qemu-system-aarch64" || kvmUsable(a) && runtime.GOARCH != "arm64" {
		t.Errorf("booted by %s, with this machine's own processor", a.qemu)
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

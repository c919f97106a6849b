package loader

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

func TestChooseFilter(t *testing.T) {
	filter, other := &ebpf.ProgramSpec{Type: ebpf.SocketFilter}, &ebpf.ProgramSpec{Type: ebpf.Kprobe}
	one := map[string]*ebpf.ProgramSpec{"http": filter, "probe": other}
	two := map[string]*ebpf.ProgramSpec{"http": filter, "dns": filter}
	for _, c := range []struct {
		programs   map[string]*ebpf.ProgramSpec
		name, want string
		err        string
	}{
		{one, "", "http", ""}, {one, "http", "http", ""}, {two, "dns", "dns", ""},
		{two, "", "", "several socket filters, name one of them: dns, http"},
		{one, "probe", "", `no socket filter "probe" in it, only http`},
		{map[string]*ebpf.ProgramSpec{"probe": other}, "", "", `SEC("socket")`},
	} {
		got, err := chooseFilter(&ebpf.CollectionSpec{Programs: c.programs}, c.name)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q, %v, want %q, %q", c.name, got, err, c.want, c.err)
		}
	}
}

func TestSocketFilterNotAnObject(t *testing.T) {
	name := filepath.Join(t.TempDir(), "filter.o")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readFilter(name, ""); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

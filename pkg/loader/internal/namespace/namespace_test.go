package namespace

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// TestFind: processes and mounts show namespaces, each once.
func TestFind(t *testing.T) {
	proc := t.TempDir()
	for pid, target := range map[string]string{"1": "net:[10]", "2": "net:[10]", "3": "net:[11]", "x": "net:[12]", "4": "mnt:[13]"} {
		dir := filepath.Join(proc, pid, "ns")
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.Symlink(target, filepath.Join(dir, "net")))
	}
	must(t, os.MkdirAll(filepath.Join(proc, "5"), 0o755)) // it is just ending
	must(t, os.MkdirAll(filepath.Join(proc, "self"), 0o755))
	must(t, os.WriteFile(filepath.Join(proc, "self/mountinfo"), []byte(
		"22 1 0:20 / /sys rw - sysfs sysfs rw\n"+
			`50 1 0:4 net:[14] /run/netns/with\040blank rw shared:1 - nsfs nsfs rw`+"\n"+
			"51 1 0:4 mnt:[15] /run/other rw - nsfs nsfs rw\nshort\n"), 0o644))
	got := find(proc)
	want := map[uint32]string{10: got[10], 11: filepath.Join(proc, "3/ns/net"), 14: "/run/netns/with blank"}
	if !maps.Equal(got, want) || got[10] != filepath.Join(proc, "1/ns/net") {
		t.Errorf("found %v", got)
	}
}

// TestOwn: the process's own namespace is visited, once, and the error of a visit ends all.
func TestOwn(t *testing.T) {
	own := link("/proc/self/ns/net")
	seen := map[uint32]int{}
	must(t, Each(nil, func(inode uint32) error {
		seen[inode]++
		if now := link("/proc/thread-self/ns/net"); now != inode {
			t.Errorf("in namespace %d, not in %d", now, inode)
		}
		return nil
	}))
	if seen[own] != 1 {
		t.Errorf("own namespace %d: %v", own, seen)
	}
	failed := errors.New("failed")
	if err := Each(nil, func(uint32) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if now := link("/proc/thread-self/ns/net"); now != own {
		t.Errorf("this thread has moved to %d", now)
	}
}

// TestSocketGone: a descriptor that is no socket, and a process that is none, are passed by.
func TestSocketGone(t *testing.T) {
	for _, s := range []Socket{{os.Getpid(), 1 << 20}, {1 << 29, 0}} {
		if fd, err := s.namespace(); err == nil {
			t.Errorf("%v: descriptor %d", s, fd)
		}
	}
	seen := 0
	must(t, each(t.TempDir(), map[uint32]Socket{1: {1 << 29, 0}}, func(uint32) error { seen++; return nil }))
	if seen != 0 {
		t.Errorf("%d namespaces entered", seen)
	}
}

func TestOpenOf(t *testing.T) {
	got := openOf([]byte("TlsCurrTxSw                     \t3\nTlsCurrRxSw                     \t4\n" +
		"TlsCurrTxDevice                 \t5\nTlsCurrRxDevice                 \tmany\nTlsTxSw \t9\n"))
	if want := (Open{Software: [2]int{3, 4}, Card: [2]int{5, 0}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestUnescape(t *testing.T) {
	for s, want := range map[string]string{`/a\040b`: "/a b", `/a\134`: `/a\`, `/a\9`: `/a\9`, `/a\04`: `/a\04`, "": ""} {
		if got := unescape(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

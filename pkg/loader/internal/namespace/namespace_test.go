package namespace

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFind: threads and mounts show namespaces, each with as many ways as are kept.
func TestFind(t *testing.T) {
	proc := t.TempDir()
	add := func(thread, target string) {
		dir := filepath.Join(proc, thread, "ns")
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.Symlink(target, filepath.Join(dir, "net")))
	}
	for thread, target := range map[string]string{
		"1/task/1": "net:[10]", "1/task/6": "net:[10]", "1/task/7": "net:[16]", // a thread alone
		"2/task/2": "net:[10]", "3/task/3": "net:[11]", "x/task/1": "net:[12]", "4/task/4": "mnt:[13]",
	} {
		add(thread, target)
	}
	for i := 100; i < 100+2*maxOpeners; i++ {
		add(fmt.Sprintf("%d/task/%d", i, i), "net:[17]")
	}
	must(t, os.MkdirAll(filepath.Join(proc, "5"), 0o755)) // it is about to end
	must(t, os.MkdirAll(filepath.Join(proc, "self"), 0o755))
	must(t, os.WriteFile(filepath.Join(proc, "self/mountinfo"), []byte(
		"22 1 0:20 / /sys rw - sysfs sysfs rw\n"+
			`50 1 0:4 net:[14] /run/netns/with\040blank rw shared:1 - nsfs nsfs rw`+"\n"+
			"51 1 0:4 mnt:[15] /run/other rw - nsfs nsfs rw\nshort\n"), 0o644))
	got := find(proc)
	if n := len(got[17]); n != maxOpeners {
		t.Errorf("%d ways into one namespace", n)
	}
	delete(got, 17)
	of := func(thread string) string { return filepath.Join(proc, thread, "ns/net") }
	want := map[uint32][]string{
		10: {of("1/task/1"), of("2/task/2")}, 11: {of("3/task/3")}, 14: {"/run/netns/with blank"}, 16: {of("1/task/7")},
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("found %v, want %v", got, want)
	}
}

// TestOwn: the process's own namespace is visited, once, and the error of a visit is reported.
func TestOwn(t *testing.T) {
	own := link("/proc/self/ns/net")
	seen := map[uint32]int{}
	Each(nil, func(inode uint32) error {
		seen[inode]++
		if now := link("/proc/thread-self/ns/net"); now != inode {
			t.Errorf("in namespace %d, not in %d", now, inode)
		}
		return nil
	})
	if seen[own] != 1 {
		t.Errorf("own namespace %d: %v", own, seen)
	}
	failure := errors.New("failed")
	if failed := Each(nil, func(uint32) error { return failure }); !errors.Is(failed[own], failure) {
		t.Errorf("failed %v", failed)
	}
	if now := link("/proc/thread-self/ns/net"); now != own {
		t.Errorf("this thread has moved to %d", now)
	}
}

// TestWays: if one way into a namespace is gone, the next is used; a way that is not permitted
// is reported if no other works, and one that is gone is not.
func TestWays(t *testing.T) {
	own := link("/proc/self/ns/net")
	through := func() (int, error) { return unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0) }
	gone := func() (int, error) { return -1, unix.ENOENT }
	forbidden := func() (int, error) { return -1, unix.EACCES }
	for name, c := range map[string]struct {
		openers []opener
		entered bool
		err     error
	}{
		"the second":    {[]opener{gone, through}, true, nil},
		"the third":     {[]opener{forbidden, gone, through}, true, nil},
		"all gone":      {[]opener{gone, gone}, false, nil},
		"none allowed":  {[]opener{forbidden, gone}, false, unix.EACCES},
		"none to speak": {nil, false, nil},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // as Each does
			if entered, err := enterBy(own, c.openers); entered != c.entered || !errors.Is(err, c.err) {
				t.Errorf("%s: %v, %v", name, entered, err)
			}
		}()
		<-done
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
	failed := each(t.TempDir(), map[uint32]Socket{1: {1 << 29, 0}}, func(uint32) error { seen++; return nil })
	if seen != 0 || len(failed) != 0 {
		t.Errorf("%d namespaces entered, failed %v", seen, failed)
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

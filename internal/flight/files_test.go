package flight

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// wallClock is 2026-11-22 when the machine starts.
type wallClock struct{}

func (wallClock) Offset(uint64) int64 { return 1795370908888888899 }

// filesIn returns the files of a directory, whose dumps were made while the clock stood
// still.
func filesIn(t *testing.T, dir string, limit int64) *Files {
	t.Helper()
	return &Files{Dir: dir, Bytes: limit, Clock: wallClock{}, Now: func() time.Time { return time.Unix(1795370908, 0) },
		Notice: func(s string) { t.Log(s) }}
}

// dumpOf returns a dump of the given number of records.
func dumpOf(n int) *Dump {
	r := new(ring)
	for i := range n {
		r.put(&event.Record{Seq: uint64(i), Mono: uint64(i + 1), Conn: event.Conn{ID: 1}, Dir: event.TX, Type: event.ApplicationData})
	}
	trigger := &event.Trigger{Mono: uint64(n), By: event.BySignal}
	r.put(trigger)
	return &Dump{Trigger: trigger, events: r, GiveUp: make(chan struct{})}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestFilesAreRead(t *testing.T) {
	f := filesIn(t, t.TempDir(), 1<<30)
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	name, err := f.Write(dumpOf(5))
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(name); err != nil || st.Mode() != 0o600 || filepath.Base(name) != "ktlstop-20261122T180828Z-1.jsonl" {
		t.Errorf("%s: %v, %v", name, st.Mode(), err)
	}
	r, closer, err := source.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	kinds := map[string]int{}
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch ev := ev.(type) {
		case *event.Record:
			kinds["record"]++
		case *event.Trigger:
			kinds["trigger"]++
		case *event.Summary:
			if kinds["summary"]++; ev.Totals.Records[event.TX] != 5 || ev.Sockets != 1 {
				t.Errorf("%+v", ev)
			}
		}
	}
	if kinds["record"] != 5 || kinds["trigger"] != 1 || kinds["summary"] != 1 {
		t.Errorf("%v", kinds)
	}
	if all := names(t, f.Dir); len(all) != 1 {
		t.Errorf("%v besides", all)
	}
}

// The disk never has more than the limit, and nothing but dumps is removed.
func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "ktlstop-notes.jsonl")
	if err := os.WriteFile(other, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	one := dumpOf(2000)
	limit := 4 * int64(one.Bytes())
	f := filesIn(t, dir, limit)
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	var latest string
	for range 10 {
		name, err := f.Write(dumpOf(2000))
		if err != nil {
			t.Fatal(err)
		}
		latest = name
		all, err := f.list()
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, e := range all {
			sum += e.size
		}
		if sum > limit || len(all) == 0 {
			t.Errorf("%d files of %d bytes, of %d that there may be", len(all), sum, limit)
		}
	}
	for _, name := range []string{latest, other} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if n := len(names(t, dir)); n > 6 {
		t.Errorf("%d files are left: %v", n, names(t, dir))
	}
}

// A file that a killed run left behind is not a dump.
func TestLeftOver(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".ktlstop-20261122T180828Z-1.jsonl"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := filesIn(t, dir, 1<<20).Check(); err != nil {
		t.Fatal(err)
	}
	if all := names(t, dir); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

// No other file is overwritten, and no link is followed.
func TestTaken(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ktlstop-20261122T180828Z-1.jsonl", ".ktlstop-20261122T180828Z-2.jsonl"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	name, err := filesIn(t, dir, 1<<30).Write(dumpOf(1))
	if err != nil || !strings.HasSuffix(name, "-3.jsonl") {
		t.Errorf("%s, %v", name, err)
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}

// Many small files are limited by number, and by the space that they take on the disk.
func TestFilesAreFew(t *testing.T) {
	f := filesIn(t, t.TempDir(), 1<<30)
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	for n := range maxFiles + 5 {
		if err := os.WriteFile(filepath.Join(f.Dir, fmt.Sprintf("ktlstop-20261122T180828Z-%d.jsonl", n)), []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := f.list()
	if err != nil || len(all) != maxFiles+5 || all[0].size < 512 {
		t.Fatalf("%d files, of %d bytes, %v", len(all), all[0].size, err)
	}
	if _, err := f.Write(dumpOf(1)); err != nil {
		t.Fatal(err)
	}
	if n := len(names(t, f.Dir)); n >= maxFiles {
		t.Errorf("%d files are left", n)
	}
}

// A directory that is opened to everyone during the run gets no more files.
func TestDirectoryIsOpened(t *testing.T) {
	f := filesIn(t, t.TempDir(), 1<<30)
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if name, err := f.Write(dumpOf(1)); err == nil || len(names(t, f.Dir)) != 0 {
		t.Errorf("%s, %v", name, err)
	}
}

// TestDiskIsFull: the oldest dumps make room, on a file system of a megabyte.
func TestDiskIsFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it mounts a file system: run it as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("small", dir, "tmpfs", 0, "size=1m,mode=700"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	f := filesIn(t, dir, 1<<30)
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	for range 6 { // of some 400 KB
		name, err := f.Write(dumpOf(1000))
		if err != nil {
			t.Fatal(err)
		}
		if all := names(t, dir); len(all) > 2 || !slices.Contains(all, filepath.Base(name)) {
			t.Errorf("%v, want %s and one more at most", all, name)
		}
	}
}

// Two that write to one directory would remove each other's files.
func TestDirectoryIsTaken(t *testing.T) {
	dir := t.TempDir()
	first := filesIn(t, dir, 1<<20)
	if err := first.Check(); err != nil {
		t.Fatal(err)
	}
	if err := filesIn(t, dir, 1<<20).Check(); err == nil || !strings.Contains(err.Error(), "another ktlstop") {
		t.Errorf("%v", err)
	}
	first.dir.Close()
	if err := filesIn(t, dir, 1<<20).Check(); err != nil {
		t.Error(err)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		filepath.Join(dir, "missing"): "make the directory first", file: "is no directory", open: "can be written to by all",
	} {
		if err := filesIn(t, name, 1<<20).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// A file that accepts no data, as on a full disk, leaves no partial dump.
func TestFailedDump(t *testing.T) {
	dir := t.TempDir()
	begun := filepath.Join(dir, ".begun")
	if err := os.WriteFile(begun, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(begun) // only to be read
	if err != nil {
		t.Fatal(err)
	}
	if err := filesIn(t, dir, 1<<30).finish(file, filepath.Join(dir, "whole"), dumpOf(3)); err == nil || !strings.Contains(err.Error(), "whole") {
		t.Errorf("%v", err)
	}
	if all := names(t, dir); len(all) != 0 {
		t.Errorf("%v is left", all)
	}
}

package flight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Files writes each dump into a file of its own in a directory, as JSON Lines that only
// their owner can read, and removes the oldest files where all would take too much space.
type Files struct {
	Dir   string
	Bytes int64 // that all files may take of the disk
	Tier  event.Tier
	Clock sink.Clock
	// Now is the wall clock; file names are made of it.
	Now func() time.Time
	// Notice reports each file that is removed.
	Notice func(string)
	number int
	dir    *os.File // locked
}

// ours are the names of dumps. A file that is not complete yet has a dot in front.
var ours = regexp.MustCompile(`^\.?ktlstop-[0-9]{8}T[0-9]{6}Z-[0-9]+\.jsonl$`)

// maxFiles limits their number, because each dump lists all of them.
const maxFiles = 1000

// Check reports whether files can be made in the directory, locks it, and removes files
// that a run left incomplete when it was killed.
func (f *Files) Check() (err error) {
	if f.Dir, err = filepath.Abs(f.Dir); err != nil { // the reader of a name may have another working directory
		return err
	}
	if err := f.safe(); err != nil {
		return err
	}
	if err := unix.Access(f.Dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: no file can be made in it: %w", f.Dir, err)
	}
	if err := f.lock(); err != nil {
		return err
	}
	all, err := f.list()
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.name[0] == '.' {
			if err := os.Remove(filepath.Join(f.Dir, e.name)); err != nil {
				return err
			}
		}
	}
	return f.prune(0)
}

// safe reports whether only this user can put files into the directory.
func (f *Files) safe() error {
	st, err := os.Stat(f.Dir)
	if err != nil {
		return fmt.Errorf("%w: make the directory first", err)
	}
	if !st.IsDir() {
		return fmt.Errorf("%s is no directory", f.Dir)
	}
	if st.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%s can be written to by all, who could put others' files in the place of dumps: take a directory that is yours", f.Dir)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is another user's, who could put others' files in the place of dumps: take a directory that is yours", f.Dir)
	}
	return nil
}

// lock locks the directory for this process, until it ends: of two processes that remove
// the oldest files, each would remove what the other is writing.
func (f *Files) lock() (err error) {
	if f.dir, err = os.Open(f.Dir); err != nil {
		return err
	}
	err = unix.Flock(int(f.dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s: another ktlstop writes its dumps there: take another directory", f.Dir)
	}
	return os.NewSyscallError("flock", err)
}

// Write is Config.Dump. If the disk is full, it removes the oldest dumps to make room for
// the new one.
func (f *Files) Write(d *Dump) (where string, err error) {
	if d.Empty() {
		return "", ErrNothing
	}
	if err := f.safe(); err != nil {
		return "", err
	}
	// An event's line of JSON takes at most three times the event's memory.
	if err := f.prune(3 * int64(d.Bytes())); err != nil {
		return "", err
	}
	for {
		where, err = f.write(d)
		if !errors.Is(err, unix.ENOSPC) {
			break
		}
		if old := f.evictOldest(); !old {
			break
		}
	}
	if err != nil {
		return "", err
	}
	return where, f.prune(0)
}

// evictOldest removes the oldest dump, and reports whether there was one.
func (f *Files) evictOldest() bool {
	all, err := f.list()
	if err != nil || len(all) == 0 {
		return false
	}
	return f.remove(all[0], "the disk is full") == nil
}

func (f *Files) write(d *Dump) (where string, err error) {
	file, name, err := f.create()
	if err != nil {
		return "", err
	}
	return name, f.finish(file, name, d)
}

// finish writes a file, and gives it its final name when it is complete.
func (f *Files) finish(file *os.File, name string, d *Dump) error {
	if err := f.fill(file, d); err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("write the events to %s: %w", name, err)
	}
	return os.Rename(file.Name(), name)
}

// create makes a file that does not exist yet, and returns the name that it gets when it is
// complete.
func (f *Files) create() (file *os.File, name string, err error) {
	for {
		f.number++
		base := fmt.Sprintf("ktlstop-%s-%d.jsonl", f.Now().UTC().Format("20060102T150405Z"), f.number)
		name = filepath.Join(f.Dir, base)
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		file, err = os.OpenFile(filepath.Join(f.Dir, "."+base), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, name, err
		}
	}
}

func (f *Files) fill(file *os.File, d *Dump) error {
	q := sink.NewQueue(synced{file}, sink.QueueConfig{Wait: d.GiveUp}) // a file loses nothing while it waits
	written := d.WriteTo(sink.NewJSON(q, f.Clock, f.Tier), f.Tier)
	if err := q.Close(d.GiveUp); err != nil {
		return err
	}
	return written
}

// synced is a file that is on the disk when it is closed: a file with the name of a
// complete dump must be complete after a crash too.
type synced struct{ *os.File }

func (s synced) Close() error { return errors.Join(s.Sync(), s.File.Close()) }

// entry is one of our files.
type entry struct {
	name string
	size int64
	at   time.Time
}

func (f *Files) list() (all []entry, err error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !ours.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		size := info.Size()
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			size = max(size, sys.Blocks*512)
		}
		all = append(all, entry{e.Name(), size, info.ModTime()})
	}
	slices.SortFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	return all, nil
}

// prune removes the oldest files until there is room for the given number of bytes.
func (f *Files) prune(room int64) error {
	all, err := f.list()
	if err != nil {
		return err
	}
	var sum int64
	for _, e := range all {
		sum += e.size
	}
	for i, e := range all {
		if sum+room <= f.Bytes && len(all)-i < maxFiles {
			return nil
		}
		if err := f.remove(e, fmt.Sprintf("dumps take no more than %d bytes, and are %d at most", f.Bytes, maxFiles)); err != nil {
			return err
		}
		sum -= e.size
	}
	return nil
}

func (f *Files) remove(e entry, why string) error {
	name := filepath.Join(f.Dir, e.name)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.Notice(name + " was removed: " + why)
	return nil
}

package flight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Files puts each dump into a file of its own in a directory, JSON Lines that only
// their owner can read, and removes the oldest where all would take too much.
type Files struct {
	Dir   string
	Bytes int64 // of all files
	Tier  event.Tier
	Clock sink.Clock
	// Now is the wall clock, of which the names are made.
	Now func() time.Time
	// Notice is told what is removed.
	Notice func(string)
	number int
}

// ours are the names of dumps. What is not whole yet has a dot in front.
var ours = regexp.MustCompile(`^\.?ktlstop-[0-9]{8}T[0-9]{6}Z-[0-9]+\.jsonl$`)

// Check says whether files can be made in the directory, and forgets what a run that
// ended in the midst of a dump has left.
func (f *Files) Check() error {
	st, err := os.Stat(f.Dir)
	if err != nil {
		return fmt.Errorf("%w: make the directory first", err)
	}
	if !st.IsDir() {
		return fmt.Errorf("%s is no directory", f.Dir)
	}
	if st.Mode().Perm()&0o002 != 0 && st.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%s can be written to by all, who could put others' files in the place of dumps: chmod o-w it", f.Dir)
	}
	if err := unix.Access(f.Dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: no file can be made in it: %w", f.Dir, err)
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

// Write is Config.Dump.
func (f *Files) Write(d *Dump) (where string, err error) {
	// A line of JSON takes no more than three times the memory of its event.
	if err := f.prune(3 * int64(d.Bytes())); err != nil {
		return "", err
	}
	file, name, err := f.create()
	if err != nil {
		return "", err
	}
	if err := f.finish(file, name, d); err != nil {
		return "", err
	}
	return name, f.prune(0)
}

// finish writes a file, and gives it its name when it is whole.
func (f *Files) finish(file *os.File, name string, d *Dump) error {
	if err := f.fill(file, d); err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("write the events to %s: %w", name, err)
	}
	return os.Rename(file.Name(), name)
}

// create makes a file that is not there yet, and says what it is to be called when it
// is whole.
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
	q := sink.NewQueue(file, sink.QueueConfig{Wait: d.GiveUp}) // a file loses nothing while it waits
	written := d.WriteTo(sink.NewJSON(q, f.Clock, f.Tier), f.Tier)
	if err := q.Close(d.GiveUp); err != nil {
		return err
	}
	return written
}

// entry is a file of ours.
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
		all = append(all, entry{e.Name(), info.Size(), info.ModTime()})
	}
	slices.SortFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	return all, nil
}

// prune removes the oldest files until there is room for so many bytes.
func (f *Files) prune(room int64) error {
	all, err := f.list()
	if err != nil {
		return err
	}
	var sum int64
	for _, e := range all {
		sum += e.size
	}
	for _, e := range all {
		if sum+room <= f.Bytes {
			return nil
		}
		if err := os.Remove(filepath.Join(f.Dir, e.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f.Notice(fmt.Sprintf("%s was removed: dumps take no more than %d bytes", filepath.Join(f.Dir, e.name), f.Bytes))
		sum -= e.size
	}
	return nil
}

package facts

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// jail is the file system below a process's root, as the process sees it: a link in a
// container leads to a file of that container. Others chose the contents, so the total
// amount read is bounded. If a file is not read for another reason than that it does not
// exist, the jail remembers that: the other files then prove nothing.
type jail struct {
	root      string // a directory, or a link to one
	remaining int    // bytes that can still be read
	barred    error  // why nothing can be read
	failed    error  // why a file was not read, the first reason
}

const (
	maxJail  = 16 << 20
	openCost = 4 << 10 // opening a file counts as so many bytes,
	nameCost = 64      // a name in a directory as so many
)

var (
	errTooMuch = errors.New("it is too large, or includes too much")
	errOdd     = errors.New("not all of it is understood")
	errChroot  = errors.New("the process has changed its root since it was begun (chroot)")
)

func (j *jail) charge(n int) error {
	if j.remaining -= n; j.remaining < 0 {
		return errTooMuch
	}
	return nil
}

// open opens a file or a directory, as kind says.
func (j *jail) open(name string, kind uint32) (*os.File, error) {
	if err := cmp.Or(j.barred, j.charge(openCost)); err != nil {
		return nil, err
	}
	root, err := unix.Open(j.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(root, name, &how)
	for range 10 { // somebody is renaming files
		if err == unix.EAGAIN {
			fd, err = unix.Openat2(root, name, &how)
		}
	}
	if err != nil {
		return nil, err
	}
	return reopen(fd, kind)
}

func (j *jail) readFile(name string) ([]byte, error) {
	b, err := j.read(name)
	j.note(err)
	return b, err
}

// read reads a whole file, or nothing.
func (j *jail) read(name string) ([]byte, error) {
	f, err := j.open(name, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(min(j.remaining, maxFile))+1))
	if len(b) > maxFile {
		return nil, errTooMuch
	}
	return b, cmp.Or(j.charge(len(b)), err)
}

func (j *jail) note(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) && j.failed == nil {
		j.failed = err
	}
}

// ReadDir implements fs.ReadDirFS. A file that is not a directory is no failure: the
// caller tries whether it is.
func (j *jail) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := j.open(name, unix.S_IFDIR)
	if err != nil {
		if !errors.Is(err, os.ErrInvalid) && !errors.Is(err, unix.ENOTDIR) {
			j.note(err)
		}
		return nil, err
	}
	defer f.Close()
	all, err := f.ReadDir(max(j.remaining, 0)/nameCost + 1)
	if errors.Is(err, io.EOF) { // it is empty
		err = nil
	}
	err = cmp.Or(j.charge(nameCost*len(all)), err)
	j.note(err)
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return all, err
}

// Open implements fs.FS.
func (j *jail) Open(name string) (fs.File, error) { return j.open(name, unix.S_IFREG) }

// glob finds files like glob(3), which does not match names that begin with a dot.
func (j *jail) glob(pattern string) (found []string) {
	names, _ := fs.Glob(j, strings.TrimPrefix(path.Clean(pattern), "/")) // a bad pattern matches nothing
	for _, n := range names {
		if !strings.HasPrefix(path.Base(n), ".") || strings.HasPrefix(path.Base(pattern), ".") {
			found = append(found, "/"+n)
		}
	}
	return found
}

// within lists the files of a directory with one of the suffixes; is reports whether it
// is a directory.
func (j *jail) within(dir string, endings ...string) (files []string, is bool) {
	all, err := j.ReadDir(dir)
	for _, e := range all {
		if slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(e.Name(), end) }) {
			files = append(files, path.Join(dir, e.Name()))
		}
	}
	return files, err == nil
}

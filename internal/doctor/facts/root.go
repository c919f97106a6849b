package facts

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is the directory that /proc and the rest are below: "/", except in tests.
type Root string

// maxFile is how much of a text file is read.
const maxFile = 4 << 20

func (r Root) path(elem ...string) string {
	return filepath.Join(append([]string{string(r)}, elem...)...)
}

// read returns a file's first bytes, nil if it cannot be read.
func (r Root) read(elem ...string) []byte {
	b, _ := readFile(r.path(elem...))
	return b
}

// readFile reads no more than maxFile.
func readFile(name string) ([]byte, error) {
	f, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// openFile opens a regular file, and nothing else.
func openFile(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return reopen(fd, unix.S_IFREG)
}

// reopen opens the file that fd names by O_PATH, if it is of the given kind, and closes
// fd: opening a pipe would wait, and a device may act when it is opened. It opens the
// same file that was examined, even if its name is another file's by now.
func reopen(fd int, kind uint32) (*os.File, error) {
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != kind {
		return nil, os.ErrInvalid
	}
	return os.Open("/proc/self/fd/" + strconv.Itoa(fd))
}

// word is a file's content without surrounding white space.
func (r Root) word(elem ...string) string { return strings.TrimSpace(string(r.read(elem...))) }

func (r Root) exists(elem ...string) bool {
	_, err := os.Stat(r.path(elem...))
	return err == nil
}

// lines calls each for each line of b.
func lines(b []byte, each func(string)) {
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, maxFile)
	for s.Scan() {
		each(s.Text())
	}
}

// pids are the numbers of all processes.
func (r Root) pids() (all []int) {
	dir, err := os.Open(r.path("proc"))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // as many as there are
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			all = append(all, pid)
		}
	}
	return all
}

// nsInode is N of a link as net:[N].
func (r Root) nsInode(pid, name string) uint32 {
	link, err := os.Readlink(r.path("proc", pid, "ns", name))
	if err != nil {
		return 0
	}
	_, n, _ := strings.Cut(strings.TrimSuffix(link, "]"), ":[")
	inode, _ := strconv.ParseUint(n, 10, 32)
	return uint32(inode)
}

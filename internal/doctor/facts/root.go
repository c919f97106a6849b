package facts

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Root is the directory that /proc and the rest lie below: "/", but for tests.
type Root string

// maxFile is how much of a file in text is read.
const maxFile = 4 << 20

func (r Root) path(elem ...string) string {
	return filepath.Join(append([]string{string(r)}, elem...)...)
}

// read returns a file's first bytes, nil where there is none to be had.
func (r Root) read(elem ...string) []byte {
	b, _ := readFile(r.path(elem...))
	return b
}

// readFile reads no more than maxFile, and nothing but files: opening a pipe would
// wait.
func readFile(name string) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: name, Err: os.ErrInvalid}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// word is a file's content without the white space around it.
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

// pids are the processes that there are.
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

package cgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// handles opens cgroups by their ids: an id is what the kernel's file handle of the
// directory holds (kernfs_encode_fh of fs/kernfs/mount.c), so that no tree has to be
// walked.
type handles struct {
	root string
	dir  *os.File // root, by which the kernel knows the file system
	kind int32
}

// openHandles fails where the kernel has other handles, and where this process may not
// open any: that takes CAP_DAC_READ_SEARCH in the initial user namespace.
func openHandles(root string) (*handles, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return nil, os.NewSyscallError("statfs", err)
	}
	if st.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil, fmt.Errorf("%s is no cgroup v2 tree", root)
	}
	own, _, err := unix.NameToHandleAt(unix.AT_FDCWD, root, 0)
	if err != nil {
		return nil, os.NewSyscallError("name_to_handle_at", err)
	}
	if own.Size() != 8 {
		return nil, fmt.Errorf("handles have %d bytes, and not the 8 of an id", own.Size())
	}
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	h := &handles{root, dir, own.Type()}
	if _, err := h.path(binary.NativeEndian.Uint64(own.Bytes())); err != nil {
		dir.Close() // it was only read
		return nil, err
	}
	return h, nil
}

// path is that of the cgroup below the root. It fails with ESTALE if there is none.
func (h *handles) path(id uint64) (string, error) {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], id)
	fd, err := unix.OpenByHandleAt(int(h.dir.Fd()), unix.NewFileHandle(h.kind, b[:]), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", os.NewSyscallError("open_by_handle_at", err)
	}
	defer unix.Close(fd) // nothing was written
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "", err
	}
	below, ok := strings.CutPrefix(path, h.root)
	if !ok {
		// Where a cgroup namespace mounts its own part of the tree, the kernel calls all
		// outside of it "/" (prepend_path of fs/d_path.c).
		return "", errOutside
	}
	return strings.TrimSuffix(below, " (deleted)"), nil
}

var errOutside = errors.New("it is outside of the tree that is mounted here")

// inodeOf is the number of a file, and that it is known.
func inodeOf(info fs.FileInfo) (n uint64, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Ino, true
}

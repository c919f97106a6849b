//go:build !windows

package sink

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Create opens a file for writing, and creates or truncates it. Only its owner can read a
// private file, which may hold plaintext.
func Create(name string, private bool) (*os.File, error) {
	if private {
		return createPrivate(name)
	}
	f, err := openToWrite(name, unix.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	return f, unix.SetNonblock(int(f.Fd()), false)
}

// openToWrite opens a file for writing only. With a pipe opened for reading as well, ktlstop
// would be its own reader and never notice that the real one has gone. A pipe without a
// reader does not open, which is an error and not a long wait.
func openToWrite(name string, flags int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|unix.O_NONBLOCK|flags, mode)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("open %s: nobody reads this pipe: start its reader first", name)
	}
	return f, err
}

// createPrivate makes a file that only its user can read.
func createPrivate(name string) (*os.File, error) {
	f, err := openToWrite(name, unix.O_NOFOLLOW, 0o600) // not truncated yet: it may be somebody else's
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link, which plaintext is not written to: give the file itself", name)
	}
	if err != nil {
		return nil, err
	}
	if err := makePrivate(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// makePrivate truncates a file that belongs to the user and removes the rights of others.
// Devices and pipes store nothing, and remain as they are.
func makePrivate(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return fmt.Errorf("%s is a directory", f.Name())
	default:
		return unix.SetNonblock(int(f.Fd()), false)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user, who could read the plaintext: remove it or choose another name", f.Name())
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	return f.Truncate(0)
}

// OthersRead reports whether others than its user may read a file.
func OthersRead(info os.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// Touch creates an empty file, or truncates one. It does not follow a symbolic link that
// somebody else put there, since root would truncate its target.
func Touch(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o644)
	if errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("%s is a symbolic link: give the file itself", name)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

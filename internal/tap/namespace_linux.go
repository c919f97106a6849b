package tap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace; nil is the one that the program runs in.
type Namespace struct{ f *os.File }

// OpenNamespace opens a namespace by its name in ip netns list or by a path such
// as /proc/PID/ns/net.
func OpenNamespace(name string) (*Namespace, error) {
	f, err := os.Open(namespacePath(name))
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	return &Namespace{f}, nil
}

// NamespaceNumber is the inode number of a namespace that OpenNamespace would open,
// or that is given as a number, as lsns shows it.
func NamespaceNumber(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil && n != 0 {
		return uint32(n), nil
	}
	fd, err := unix.Open(namespacePath(name), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if !isNetworkNamespace(fd) {
		return 0, errors.New("it is no network namespace")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	return uint32(st.Ino), nil
}

// isNetworkNamespace asks for the kind of namespace only what is one: to other
// files the number of that request may mean anything.
func isNetworkNamespace(fd int) bool {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		return false
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	return err == nil && kind == unix.CLONE_NEWNET
}

func namespacePath(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return filepath.Join("/run/netns", name)
}

// NewNamespace makes a namespace that lasts until nobody uses it: neither this
// program nor any that has entered it.
func NewNamespace() (*Namespace, error) {
	var n Namespace
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		n.f, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// Path is where another program can enter the namespace.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.f.Fd()) }

// Close releases the namespace; sockets in it keep it alive. A nil one has
// nothing to let go of.
func (n *Namespace) Close() error {
	if n == nil {
		return nil
	}
	return n.f.Close()
}

// do calls f on a thread in the namespace.
func (n *Namespace) do(f func() error) error {
	if n == nil {
		return f()
	}
	return onThread(func() error {
		if err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace %s: %w", n.f.Name(), err)
		}
		return f()
	})
}

// onThread calls f on a thread of its own, which ends with it: the thread may
// change what it likes about itself.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- f()
	}()
	return <-done
}

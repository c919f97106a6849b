package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// newRoot is where the guest's root is merged before it becomes the root.
const newRoot = "/root"

type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

// do mounts; the target is made when it does not exist.
func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
	}
	return nil
}

func mountAll(mounts []mount) error {
	for _, m := range mounts {
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

func mountEarly() error {
	return mountAll([]mount{
		{"dev", "/dev", "devtmpfs", 0, ""},
		{"proc", "/proc", "proc", 0, ""},
		{"sys", "/sys", "sysfs", 0, ""},
	})
}

// Options of 9p: large messages, since each one costs an exit from the guest; the root never
// changes under the guest, so all of it may be cached, while writes to shares must reach the host.
const (
	options9p     = "trans=virtio,version=9p2000.L,msize=512000"
	rootOptions9p = options9p + ",cache=loose"
)

// mountRoot mounts a tmpfs over the host's files, which are never written to, and mounts everything
// else into it.
func mountRoot(s setup) error {
	if err := (mount{"upper", "/upper", "tmpfs", 0, "mode=755"}).do(); err != nil {
		return err
	}
	if err := mountLayers(s.Layers); err != nil {
		return err
	}
	return mountAll(append([]mount{
		{"/dev", newRoot + "/dev", "", unix.MS_MOVE, ""},
		{"/proc", newRoot + "/proc", "", unix.MS_MOVE, ""},
		{"/sys", newRoot + "/sys", "", unix.MS_MOVE, ""},
		{newRoot + s.Modules, newRoot + "/lib/modules/" + s.Release, "", unix.MS_BIND, ""},
		{"run", newRoot + "/run", "tmpfs", 0, "mode=755"},
		{"devpts", newRoot + "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666"},
		{"shm", newRoot + "/dev/shm", "tmpfs", 0, "mode=1777"},
		{"cgroup2", newRoot + "/sys/fs/cgroup", "cgroup2", 0, ""},
		{"bpf", newRoot + "/sys/fs/bpf", "bpf", 0, ""},
		{"debugfs", newRoot + "/sys/kernel/debug", "debugfs", 0, ""},
		{"tracefs", newRoot + "/sys/kernel/tracing", "tracefs", 0, ""},
	}, shareMounts(s.Shares)...))
}

// mountLayers mounts the exports of the host that are needed, and the layers made from them.
func mountLayers(layers []layer) error {
	for i, l := range layers {
		var lower []string
		for _, dir := range l.Lower {
			tag, _, _ := strings.Cut(dir, "/")
			if err := mountExport(tag); err != nil {
				return err
			}
			lower = append(lower, filepath.Join("/lower", dir))
		}
		up, work := fmt.Sprintf("/upper/%d/up", i), fmt.Sprintf("/upper/%d/work", i)
		if err := errors.Join(os.MkdirAll(up, 0o755), os.MkdirAll(work, 0o755)); err != nil {
			return err
		}
		if err := copyMode(lower[0], up); err != nil {
			return err
		}
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(lower, ":"), up, work)
		if err := (mount{"overlay", newRoot + l.Target, "overlay", 0, options}).do(); err != nil {
			return err
		}
	}
	return nil
}

// mountExport mounts a directory of the host's, once.
func mountExport(tag string) error {
	dir := "/lower/" + tag
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return mount{tag, dir, "9p", unix.MS_RDONLY, rootOptions9p}.do()
}

// copyMode gives a directory the mode of another one: that of /tmp differs from that of /root.
func copyMode(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.Chmod(to, info.Mode())
}

func shareMounts(dirs []string) []mount {
	var mounts []mount
	for i, dir := range dirs {
		mounts = append(mounts, mount{shareTag(i), newRoot + dir, "9p", 0, options9p})
	}
	return mounts
}

func shareTag(i int) string { return fmt.Sprintf("share%d", i) }

func switchRoot() error {
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	if err := unix.Chroot("."); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	return os.Chdir("/")
}

// configure does what a distribution's init would do.
func configure() error {
	for _, link := range [][2]string{
		{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
	} {
		if err := os.Symlink(link[0], link[1]); err != nil && !os.IsExist(err) {
			return err
		}
	}
	if err := unix.Sethostname([]byte("guest")); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	if err := writeModprobe(); err != nil {
		return err
	}
	return loopbackUp()
}

// writeModprobe sets the program that the kernel loads modules with on demand.
func writeModprobe() error {
	path := lookPath("modprobe")
	if path == "" {
		return nil // otherwise modules can only be loaded by hand
	}
	return os.WriteFile("/proc/sys/kernel/modprobe", []byte(path), 0)
}

// loopbackUp gives the guest 127.0.0.1 and ::1; the kernel adds the addresses by itself.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("SIOCSIFFLAGS", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}

// findProgram is exec.LookPath with the PATH and the working directory of the command to run.
func findProgram(name, path, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, unix.Access(name, unix.X_OK)
	}
	for _, d := range filepath.SplitList(path) {
		file := filepath.Join(d, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", os.ErrNotExist
}

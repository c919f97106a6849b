package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The first file descriptors that QEMU inherits after stdin, stdout and stderr.
const (
	controlFD = 3 + iota
	initrdFD
)

// qemuArgs is QEMU's command line. With -nodefaults the machine has only the devices named here.
func qemuArgs(c Config, kvm bool) []string {
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-M", c.Kernel.arch().machine, "-m", strconv.Itoa(c.MemMB),
		"-kernel", c.Kernel.Image(), "-initrd", fmt.Sprintf("/proc/self/fd/%d", initrdFD),
		"-append", c.cmdline(kvm),
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-device", "virtio-serial-pci", "-chardev", fmt.Sprintf("socket,id=control,fd=%d", controlFD),
		"-device", "virtserialport,chardev=control,name=control",
		"-device", "virtio-rng-pci",
	}
	for _, e := range c.files.exports {
		args = append(args, fs9p(e.tag, e.dir, true)...)
	}
	for i, dir := range c.Shares {
		args = append(args, fs9p(shareTag(i), dir, false)...)
	}
	return append(args, c.accelArgs(kvm)...)
}

// accelArgs chooses the processor. Counting instructions needs a single one that sleeps without
// waiting, and so counts the kernel's work on a real one.
func (c Config) accelArgs(kvm bool) []string {
	switch {
	case c.Icount:
		return []string{"-accel", "tcg,thread=single", "-cpu", c.Kernel.arch().counted, "-smp", "1", "-icount", "shift=0,sleep=off"}
	case kvm:
		return []string{"-accel", "kvm", "-cpu", "max", "-smp", strconv.Itoa(c.SMP)}
	}
	return []string{"-accel", "tcg,thread=multi", "-cpu", c.Kernel.arch().cpu, "-smp", strconv.Itoa(c.SMP)}
}

// program is the QEMU that runs the guest, and its first arguments. The host's own QEMU counts
// instructions: docs/bench.json was measured on its processor.
func (c Config) program(ctx context.Context, kvm bool) ([]string, error) {
	if kvm || c.Icount {
		return []string{c.Kernel.arch().qemu}, nil
	}
	return c.Kernel.arch().emulator(ctx)
}

// cmdline ends the guest at the first oops, and omits features that are slow on an emulated
// processor.
func (c Config) cmdline(kvm bool) string {
	words := []string{"console=" + c.Kernel.arch().console, "panic=-1", "oops=panic"}
	if c.Console == nil {
		words = append(words, "loglevel=5") // warnings, and the stack of a soft lockup; "quiet" leaves it out
	}
	if !kvm {
		words = append(words, c.Kernel.arch().emulated...)
	}
	if c.Append != "" {
		words = append(words, c.Append)
	}
	return strings.Join(words, " ")
}

func fs9p(tag, dir string, readonly bool) []string {
	dir = strings.ReplaceAll(dir, ",", ",,") // QEMU's escape for a comma in a value
	fsdev := fmt.Sprintf("local,id=%s,path=%s,security_model=none,multidevs=remap", tag, dir)
	if readonly {
		fsdev += ",readonly=on"
	}
	return []string{"-fsdev", fsdev, "-device", fmt.Sprintf("virtio-9p-pci,fsdev=%s,mount_tag=%s", tag, tag)}
}

// A machine is a running QEMU.
type machine struct {
	cmd     *exec.Cmd
	control *os.File // our end of the virtio-serial port
	exited  chan struct{}
}

// startMachine starts QEMU so that it ends when this process ends, in any way, and does not get the
// terminal's Ctrl-C.
func startMachine(ctx context.Context, c Config, kvm bool, console *tail) (*machine, error) {
	program, err := c.program(ctx, kvm)
	if err != nil {
		return nil, err
	}
	initrd, err := initramfs(c)
	if err != nil {
		return nil, err
	}
	defer initrd.Close()
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(program[0], append(program[1:], qemuArgs(c, kvm)...)...)
	cmd.ExtraFiles = []*os.File{theirs, initrd}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	m := &machine{cmd, ours, make(chan struct{})}
	if err := m.start(); err != nil {
		ours.Close()
		return nil, err
	}
	return m, nil
}

// start keeps the thread that started QEMU until QEMU ends: Pdeathsig comes when that thread dies, not the process.
func (m *machine) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := m.cmd.Start()
		started <- err
		if err == nil {
			m.cmd.Wait()
			close(m.exited)
		}
	}()
	return <-started
}

// kill ends QEMU and waits until it is gone.
func (m *machine) kill() {
	m.cmd.Process.Kill()
	<-m.exited
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	unix.SetNonblock(fds[0], true) // so that closing our end wakes its reader
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}

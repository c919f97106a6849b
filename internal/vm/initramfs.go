package vm

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// initramfs makes the guest's first file system in memory, so that nothing stays on disk: this
// program itself as init, or vmrun for the guest's processor, and the modules in the order in which
// it loads them.
func initramfs(c Config) (*os.File, error) {
	fd, err := unix.MemfdCreate("initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "initramfs")
	if err := writeInitramfs(f, c.Kernel, c.Carry); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func writeInitramfs(f io.Writer, k *Kernel, files []string) error {
	file, err := k.arch().initProgram()
	if err != nil {
		return err
	}
	program, err := staticProgram(file)
	if err != nil {
		return err
	}
	deps, err := k.readDeps()
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(f, 1<<20)
	c := &cpioWriter{w: buf}
	c.file("init", program)
	for _, d := range []string{"dev", "proc", "sys", "lower", "upper", "root", "boot", "late"} {
		c.dir(d)
	}
	boot := deps.closure(bootModules)
	addModules(c, k, "boot", boot)
	addModules(c, k, "late", without(deps.closure(lateModules), boot))
	if !deps.sharesFiles() {
		if err := carry(c, k, deps, files); err != nil {
			return err
		}
	}
	return errors.Join(c.close(), buf.Flush())
}

// initProgram is a program of this package that runs on the guest's processor: this one, or the
// vmrun in a folder beside it.
func (a *arch) initProgram() (string, error) {
	if a.ownRoot() {
		return "/proc/self/exe", nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	file := filepath.Join(filepath.Dir(self), a.name, "vmrun")
	if !exists(file) {
		return "", fmt.Errorf("no %s, which is the first process of guests with another processor: build it with make vmrun", file)
	}
	return file, nil
}

// staticProgram reads a program that can run where there is no C library yet.
func staticProgram(path string) ([]byte, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, errors.New("this program is the guest's init and must be linked statically: build it with CGO_ENABLED=0")
		}
	}
	return os.ReadFile(path)
}

// addModules stores modules under names that sort in the order of loading.
func addModules(c *cpioWriter, k *Kernel, dir string, files []string) {
	for i, file := range files {
		data, err := os.ReadFile(filepath.Join(k.Modules(), strings.TrimSuffix(file, ".xz")))
		if err != nil && c.err == nil {
			c.err = fmt.Errorf("module for the initramfs: %w", err)
		}
		c.file(filepath.Join(dir, strconv.Itoa(1000+i)+moduleName(file)), data)
	}
}

func without(list, drop []string) []string {
	var keep []string
	dropped := map[string]bool{}
	for _, s := range drop {
		dropped[s] = true
	}
	for _, s := range list {
		if !dropped[s] {
			keep = append(keep, s)
		}
	}
	return keep
}

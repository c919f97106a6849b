package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// minEmulator is the first QEMU whose emulated processors may run in parallel. Before it, a
// processor that translated code while another changed it could keep an intermediate state for
// ever: the kernel's breakpoints, of which guests died. QEMU 8.1 locks a page before it translates
// it (commit deba78709ae8, "accel/tcg: Always lock pages before translation").
const minEmulator = "8.1"

// newerQEMU is the suite with such a QEMU that runs with the older libraries of the host.
var newerQEMU = Series{Name: "qemu", Suites: []string{"bookworm-backports"}}

// seabios is the directory of amd64's firmware in the host's package of QEMU.
const seabios = "/usr/share/seabios"

// emulator is the QEMU that emulates several processors, and its first arguments: the host's, or if
// that is too old, one that is unpacked in the cache and changes nothing of the host.
func (a *arch) emulator(ctx context.Context) ([]string, error) {
	version, err := qemuVersion(ctx, a.qemu)
	if err != nil {
		return nil, err
	}
	if compareVersions(version, minEmulator) >= 0 {
		return []string{a.qemu}, nil
	}
	dir, err := inCache(filepath.Join("qemu", a.name), cachedQEMU, false, func(cache, dir string) (string, error) {
		return a.unpackQEMU(ctx, cache, dir)
	})
	if err != nil {
		return nil, fmt.Errorf("QEMU %s kills guests with several processors, and a newer one cannot be had: %w", version, err)
	}
	usr := filepath.Join(dir, "usr")
	return []string{filepath.Join(usr, "bin", a.qemu), "-L", filepath.Join(usr, "share/qemu"), "-L", seabios}, nil
}

func cachedQEMU(dir string) (string, bool) { return noted(dir, "qemu-") }

// unpackQEMU unpacks the emulator and its files for each processor.
func (a *arch) unpackQEMU(ctx context.Context, cache, dir string) (string, error) {
	lists := apt{dir: filepath.Join(cache, "apt", newerQEMU.Name)}
	if err := lists.setup(ctx, newerQEMU); err != nil {
		return "", err
	}
	pkgs, err := lists.newest(ctx, a.pkg, "qemu-system-data")
	if err != nil {
		return "", err
	}
	version := pkgs[0].version
	name := filepath.Join(dir, "qemu-"+version)
	if _, err := os.Stat(name); err != nil {
		if err := lists.unpack(ctx, dir, pkgs, name, nil); err != nil {
			return "", err
		}
	}
	return name, replaceFile(filepath.Join(dir, "version"), []byte(version+"\n"))
}

var versionWord = regexp.MustCompile(`version (\d+(?:\.\d+)*)`)

// qemuVersion is the version that a QEMU prints: "7.2.22".
func qemuVersion(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	m := versionWord.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s --version does not tell its version: %.80q", program, out)
	}
	return string(m[1]), nil
}

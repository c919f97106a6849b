package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// A program is a program that this package calls, and its Debian package.
type program struct{ name, pkg string }

var fetchPrograms = []program{{"dpkg", "dpkg"}, {"depmod", "kmod"}, {"xz", "xz-utils"}}

// needPrograms installs missing packages if possible, and otherwise names the packages to install.
func needPrograms(ctx context.Context, programs []program) error {
	missing := missingPackages(programs)
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing on this machine: install with: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	return installPrograms(ctx, programs)
}

// installing lets one guest install at a time: guests that start together lack the same packages.
var installing sync.Mutex

func installPrograms(ctx context.Context, programs []program) error {
	installing.Lock()
	defer installing.Unlock()
	missing := missingPackages(programs)
	if len(missing) == 0 { // another guest installed them meanwhile
		return nil
	}
	progressf("installing %s", strings.Join(missing, " "))
	if aptInstall(ctx, missing) == nil {
		return nil
	}
	if err := run(ctx, "apt-get", "-q", "update"); err != nil { // the lists were missing or old
		return err
	}
	return aptInstall(ctx, missing)
}

func missingPackages(programs []program) []string {
	var missing []string
	for _, p := range programs {
		if lookPath(p.name) == "" {
			missing = append(missing, p.pkg)
		}
	}
	return missing
}

// lookPath also searches directories outside an ordinary user's PATH: depmod and modprobe are for
// administrators.
func lookPath(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	return ""
}

// aptInstall waits for other processes that install packages.
func aptInstall(ctx context.Context, pkgs []string) error {
	args := []string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=600",
		"install", "-y", "--no-install-recommends"}
	return run(ctx, "env", append(args, pkgs...)...)
}

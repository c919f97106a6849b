package vm

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bootTime limits a boot. With working KVM a boot takes a second or two.
func bootTime(kvm bool) time.Duration {
	if kvm {
		return 20 * time.Second
	}
	return bootLimit
}

// kvmUsable reports whether KVM is worth a try: /dev/kvm alone is not enough, it can belong to a
// hypervisor without hardware support that fails on an ordinary kernel. It runs this machine's
// processor only.
func kvmUsable(a *arch) bool {
	if !a.ownRoot() || unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) != nil || kvmRejected() {
		return false
	}
	for _, module := range []string{"kvm_intel", "kvm_amd"} {
		if _, err := os.Stat("/sys/module/" + module); err == nil {
			return true
		}
	}
	return false
}

// rejectKVM remembers that a boot with KVM failed, until the machine reboots.
func rejectKVM() {
	if path, id := kvmNote(); path != "" {
		replaceFile(path, []byte(id))
	}
}

func kvmRejected() bool {
	path, id := kvmNote()
	note, err := os.ReadFile(path)
	return err == nil && string(note) == id
}

func kvmNote() (path, bootID string) {
	cache, err := CacheDir()
	if err != nil {
		return "", ""
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", ""
	}
	return filepath.Join(cache, "no-kvm"), strings.TrimSpace(string(id))
}

package vm

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

var (
	// bootModules are loaded before the root file system is mounted. A driver that is built into a
	// kernel is not among its modules and is skipped.
	bootModules = []string{"virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay", "virtio_rng"}
	// lateModules are loaded by the guest itself: without udev nothing loads aesni_intel or aes_ce_blk, and AES-GCM would run
	// on the generic C code; ChaCha20-Poly1305 is found by kTLS only once its template is there.
	lateModules = []string{"aesni_intel", "ghash_generic", "gcm", "ccm", "ctr", "chacha20poly1305", "chacha_generic", "poly1305_generic", "chacha_x86_64", "poly1305_x86_64", "ghash_clmulni_intel",
		"aes_ce_blk", "aes_ce_ccm", "ghash_ce", "chacha_neon", "poly1305_neon"}
	// guestModules are all modules that a guest commonly loads, in either way.
	guestModules = append([]string{"tls", "tcp_diag", "inet_diag", "veth", "netdevsim", "sch_netem"}, lateModules...)
)

// moduleDeps maps a module's name, with underscores, to its path and the paths of its dependencies
// (modules.dep).
type moduleDeps map[string][]string

func (k *Kernel) readDeps() (moduleDeps, error) {
	text, err := os.ReadFile(filepath.Join(k.Modules(), "modules.dep"))
	if err != nil {
		return nil, err
	}
	return parseDeps(string(text)), nil
}

func parseDeps(text string) moduleDeps {
	deps := moduleDeps{}
	for line := range strings.Lines(text) {
		module, needs, ok := strings.Cut(line, ":")
		if ok {
			deps[moduleName(module)] = append([]string{module}, strings.Fields(needs)...)
		}
	}
	return deps
}

// moduleName turns kernel/net/tls/tls.ko.xz into tls, and aesni-intel into aesni_intel as the kernel does.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// closure lists the files of the named modules and their dependencies, in an order in which they
// can be loaded.
func (d moduleDeps) closure(names []string) []string {
	var order []string
	seen := map[string]bool{}
	for _, name := range names {
		files := d[name]
		for i := len(files) - 1; i >= 0; i-- { // modules.dep names what is needed first last
			if !seen[files[i]] {
				seen[files[i]] = true
				order = append(order, files[i])
			}
		}
	}
	return order
}

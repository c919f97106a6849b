// Package vm boots a stock Debian kernel under QEMU and runs commands of the host in it.
//
// The guest sees the host's root file system read-only over 9p with a throw-away overlay on top, so every program
// of the host works in it, and what it writes is gone afterwards. The running binary itself is the guest's init:
// it is copied into the initramfs, which is why every program using this package must be linked statically
// and call [Init] first.
//
// A guest may have another processor, which QEMU then emulates. Its root is a Debian for that
// processor, unpacked into the cache; the host's folders, except the system's, are mounted over it,
// and its init is bin/arm64/vmrun (arch.go, layers.go, roots.go).
//
//	Fetch   finds, downloads and caches a kernel (apt.go, choose.go, kernel.go)
//	Boot    starts QEMU with an initramfs made on the spot (initramfs.go, qemu.go, guest.go)
//	Run     runs one command in the guest (protocol.go; the guest's side is agent.go)
//
// cmd/vmrun runs one command, cmd/vmtest runs the guest tests of a list of packages on a list of
// kernels, cmd/vmkernel prints where a kernel is.
package vm

package vm

import (
	"slices"
	"strings"
)

// An arch is a kind of processor: its names in Debian, Go and QEMU, and what an emulated machine
// with it needs.
type arch struct {
	name     string   // Debian's and Go's: GOARCH
	qemu     string   // the program that emulates it
	pkg      string   // the Debian package of that program
	machine  string   // QEMU's -M
	cpu      string   // the processor of an ordinary guest, emulated
	counted  string   // the processor whose instructions are counted
	console  string   // the kernel's name of the serial port
	triple   string   // the compilers' name
	emulated []string // the kernel's parameters when the processor is emulated
}

// arches are the processors that guests may have. The first one is the default.
//
// amd64: a kernel copies and clears by "rep movsb" if the processor reports that this is fast; an
// emulator does it byte by byte. A fifth level of page tables makes each walk longer. So quick
// guests have neither.
//
// arm64: Neoverse N1 is the core of Graviton2 and Ampere Altra. "max" would sign and check every
// return address, which costs an emulator a hash each.
var arches = []*arch{
	{
		name: "amd64", qemu: "qemu-system-x86_64", pkg: "qemu-system-x86", machine: "q35,vmport=off,hpet=off",
		cpu: "max,erms=off,fsrm=off,la57=off", counted: "max", console: "ttyS0", triple: "x86_64-linux-gnu",
		emulated: []string{"mitigations=off", "tsc=reliable", "no_timer_check"},
	},
	{
		name: "arm64", qemu: "qemu-system-aarch64", pkg: "qemu-system-arm", machine: "virt,gic-version=3",
		cpu: "neoverse-n1", counted: "neoverse-n1", console: "ttyAMA0", triple: "aarch64-linux-gnu",
		emulated: []string{"mitigations=off"},
	},
}

// archOf returns the processor in the name of a series or a release: "6.12-arm64-16k",
// "6.1.0-50-rt-amd64".
func archOf(name string) *arch {
	parts := strings.Split(name, "-")
	for _, a := range arches {
		if slices.Contains(parts, a.name) {
			return a
		}
	}
	return arches[0]
}

// programs are the programs that boot a guest of this kind.
func (a *arch) programs() []program { return []program{{a.qemu, a.pkg}, {"modprobe", "kmod"}} }

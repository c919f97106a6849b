package ktls

import "fmt"

// Mode is where the records of one direction are sealed or opened.
type Mode uint8

const (
	// ModeNone is user space.
	ModeNone Mode = iota
	// ModeKernel is the kernel, by software or by the network card: which of them cannot be
	// read without CAP_NET_ADMIN on this kernel.
	ModeKernel
	// ModeSoftware is the kernel's own software (tls_sw).
	ModeSoftware
	// ModeHardware is the network card (tls_device).
	ModeHardware
)

var modeNames = [...]string{"none", "kernel", "sw", "hw"}

// String returns "none", "kernel", "sw" or "hw".
func (m Mode) String() string {
	if int(m) >= len(modeNames) {
		return fmt.Sprintf("mode(%d)", uint8(m))
	}
	return modeNames[m]
}

// DirectionState is one direction's mode and, where that is [ModeNone], the reason: an
// [*OffloadError] or another error of this package.
type DirectionState struct {
	Mode   Mode
	Reason error
}

// Offload reports what the kernel does for a connection.
type Offload struct {
	TX, RX DirectionState
}

func notOffloaded(reason error) Offload {
	d := DirectionState{Reason: reason}
	return Offload{TX: d, RX: d}
}

package wire

import (
	"fmt"
	"net/netip"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Values of enum watch_flag.
const (
	sightSent   = 1
	sightMPTCP  = 2
	sightDevice = 4
)

// Observation is what a struct watch_event of bpf/ktls_watch.h says.
func Observation(b []byte) (*event.Observation, error) {
	var s object.DoctorWatchEvent
	size := int(unsafe.Sizeof(s))
	if len(b) < size {
		return nil, fmt.Errorf("sight of %d bytes, want %d: the BPF object and this program do not match", len(b), size)
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&s)), size), b)
	e := &event.Observation{
		Conn: event.Conn{Cookie: s.Cookie, NetNS: s.Netns, Family: event.Family(s.Family), LAddr: sightAddr(&s, &s.Laddr), RAddr: sightAddr(&s, &s.Raddr),
			LPort: s.Lport, RPort: s.Rport},
		Proc: event.Process{PID: s.Pid, UID: s.Uid, Comm: event.Comm(s.Comm)}, Mono: s.Time,
		Option: event.Option(s.Option), Errno: uint32(s.Err), Version: event.Version(s.Version), Cipher: event.Cipher(s.Cipher),
		MPTCP: s.Flags&sightMPTCP != 0, Device: s.Flags&sightDevice != 0, Sent: s.Flags&sightSent != 0,
	}
	if n := min(int(s.Len), len(s.Bytes)); n > 0 {
		e.Hello = append([]byte{}, s.Bytes[:n]...)
	}
	return e, nil
}

func sightAddr(s *object.DoctorWatchEvent, b *[16]byte) netip.Addr {
	switch event.Family(s.Family) {
	case event.FamilyINET:
		return netip.AddrFrom4([4]byte(b[:4]))
	case event.FamilyINET6:
		return netip.AddrFrom16(*b)
	}
	return netip.Addr{}
}

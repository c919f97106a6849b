package wire

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

func TestSight(t *testing.T) {
	s := object.DoctorWatchEvent{Time: 5, Cookie: 6, Pid: 7, Netns: 8, Option: 1, Err: 22, Version: 0x0304, Cipher: 52, Lport: 443, Rport: 5050,
		Laddr: [16]byte{10, 0, 0, 1}, Raddr: [16]byte{10, 0, 0, 2}, Comm: [16]byte{'n', 'g'}, Family: 2, Flags: sightSent | sightDevice, Len: 3, Bytes: [512]byte{22, 3, 3}}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&s)), unsafe.Sizeof(s))
	got, err := Observation(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Mono != 5 || got.Conn.Cookie != 6 || got.Proc.PID != 7 || got.Conn.NetNS != 8 || got.Option != event.OptionTX || got.Errno != 22 || got.Version != 0x0304 ||
		got.Cipher != 52 || got.Conn.LAddr != netip.MustParseAddr("10.0.0.1") || got.Conn.RPort != 5050 || got.Proc.Comm.String() != "ng" ||
		!got.Sent || !got.Device || got.MPTCP || string(got.Hello) != "\x16\x03\x03" {
		t.Errorf("%+v", got)
	}
	s.Len = 1 << 30 // longer than the room
	if got, err := Observation(b); err != nil || len(got.Hello) != len(s.Bytes) {
		t.Errorf("%v, %d bytes", err, len(got.Hello))
	}
	if _, err := Observation(b[:len(b)-1]); err == nil {
		t.Error("a sight that is cut is read")
	}
}

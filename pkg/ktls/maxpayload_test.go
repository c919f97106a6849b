package ktls

import (
	"errors"
	"testing"
)

// TestMaxPayload counts the records of a write after the option was set, and says what a
// kernel without it answers.
func TestMaxPayload(t *testing.T) { eachMode(t, testMaxPayload) }

func testMaxPayload(t *testing.T, m mode) {
	c, s := connPair(t, m, clientConfig(), serverConfig())
	err := s.SetMaxPayload(1000)
	if !m.offloaded() {
		if !errors.Is(err, ErrNotOffloaded) {
			t.Errorf("in user space: %v", err)
		}
		return
	}
	want := uint64(3)
	if errors.Is(err, ErrKernelTooOld) && !kernelLimitsPayload() {
		want = 1
	} else if err != nil {
		t.Fatal(err)
	}
	before := sealedBy(t, s)
	mustWrite(t, s, string(make([]byte, 2500)))
	mustRead(t, c, string(make([]byte, 2500)))
	if got := sealedBy(t, s) - before; got != want {
		t.Errorf("%d records, want %d", got, want)
	}
	for _, n := range []int{-1, 0, 62, 16385} {
		if err := s.SetMaxPayload(n); err == nil {
			t.Errorf("%d bytes were accepted", n)
		}
	}
	if want == 1 {
		return
	}
	for _, n := range []int{63, 16384} {
		if err := s.SetMaxPayload(n); err != nil {
			t.Error(err)
		}
	}
}

// TestConfigMaxPayload sets the option at the handover, for TLS 1.2 too, whose least is 64.
func TestConfigMaxPayload(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, version := range []uint16{0x0303, 0x0304} {
			c, s := connPair(t, m, clientConfig(), only(serverConfig(), version), func(c *Config) { c.MaxPayload = 64 })
			before := sealedBy(t, s)
			mustWrite(t, s, string(make([]byte, 640)))
			mustRead(t, c, string(make([]byte, 640)))
			want := uint64(10)
			if m.name == inKernel.name && !kernelLimitsPayload() {
				want = 1
			}
			if got := sealedBy(t, s) - before; m.offloaded() && got != want {
				t.Errorf("%d records, want %d", got, want)
			}
			if version == 0x0303 && m.offloaded() && s.SetMaxPayload(63) == nil {
				t.Error("63 bytes were accepted for TLS 1.2")
			}
		}
	})
}

package units

import (
	"math"
	"testing"
)

func TestDuration(t *testing.T) {
	for ns, want := range map[uint64]string{
		0: "0", 1: "1ns", 999: "999ns", 1000: "1.00us", 5200: "5.20us", 12345: "12.3us",
		999_999: "999us", 1e6: "1.00ms", 1.5e9: "1.50s", 59.9e9: "59.9s", 60e9: "1.00m",
		90e9: "1.50m", 3600e9: "1.00h", 999 * 3600e9: "999h",
	} {
		if got := Duration(ns); got != want {
			t.Errorf("Duration(%d) = %q, want %q", ns, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 999: "999", 1000: "1.00k", 1234: "1.23k", 45_678_901: "45.6M",
		999_999: "999k", math.MaxUint64: "18.4E",
	} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 9.94: "9.9", 12.6: "12", 12345: "12.3k", -1: "0"} {
		if got := Rate(v); got != want {
			t.Errorf("Rate(%v) = %q, want %q", v, got, want)
		}
	}
}

func FuzzWidth(f *testing.F) {
	f.Add(uint64(5200))
	f.Fuzz(func(t *testing.T, v uint64) {
		if s := Count(v); len(s) > 6 {
			t.Errorf("%d becomes %q", v, s)
		}
		// 999h is six weeks; a trace of more than eleven years may be wider.
		if s := Duration(v); len(s) > 6 && v < 1e5*3600e9 {
			t.Errorf("%d ns becomes %q", v, s)
		}
	})
}

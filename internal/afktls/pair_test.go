package afktls

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPair: both directions, each cipher, both families, from empty to the longest record.
func TestPair(t *testing.T) {
	load(t)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		for _, c := range ciphers {
			t.Run(fmt.Sprintf("%s/%d", c.name, family), func(t *testing.T) {
				a, b, _, _ := pair(t, family, c.id)
				var n, bytes uint64
				for _, size := range []int{0, 1, 15, 16, 17, 1200, 9000, 16384} {
					data := random(size)
					send(t, a, data, 0)
					wantRecv(t, b, data)
					send(t, b, data, 0)
					wantRecv(t, a, data)
					n, bytes = n+1, bytes+uint64(size)
				}
				for _, k := range []int{a, b} {
					if got, want := statsOf(t, k), (stats{txRecords: n, txBytes: bytes, rxRecords: n, rxBytes: bytes}); got != want {
						t.Errorf("counted %+v, want %+v", got, want)
					}
					if got := counter(t, k, getIVSend); got != epoch1+1+n {
						t.Errorf("the next record sent has the number %#x, want %#x", got, epoch1+1+n)
					}
					if got := counter(t, k, getIVRecv); got != epoch1+1+n {
						t.Errorf("the next record received has the number %#x, want %#x", got, epoch1+1+n)
					}
				}
			})
		}
	}
}

//go:build !linux

package loader

import "time"

var began = time.Now()

// Monotonic is a clock in nanoseconds that runs on whatever the wall clock does. It is
// not that of the kernel which has traced: events of elsewhere tell how they stand to
// the wall clock.
func Monotonic() uint64 { return uint64(time.Since(began)) + 1 }

//go:build !linux

package ktls

import "net"

// checkMultipath has nothing to find: no other system makes records in its kernel.
func checkMultipath(net.Listener) error { return nil }

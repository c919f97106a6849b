//go:build !linux

package ktls

// Available fails with [ErrPlatform]: kernel TLS needs Linux.
func Available() error { return errPlatform }

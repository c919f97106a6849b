//go:build !linux

package ktls

var errPlatform = &OffloadError{Op: "enable kernel TLS", Reason: ErrPlatform}

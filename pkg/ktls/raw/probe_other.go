//go:build !linux

package raw

// Available fails with [ErrPlatform]: kernel TLS needs Linux.
func Available() error { return errPlatform }

// FamilyAvailable fails with [ErrPlatform]: AF_KTLS needs Linux.
func FamilyAvailable() error { return errPlatform }

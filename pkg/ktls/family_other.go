//go:build !linux

package ktls

import (
	"os"
	"syscall"
)

// EnableFamily needs Linux; here it fails with [ErrPlatform].
func EnableFamily(syscall.Conn, *CryptoInfo, *CryptoInfo) (*os.File, error) { return nil, errPlatform }

// DTLSAvailable fails with [ErrPlatform]: AF_KTLS needs Linux.
func DTLSAvailable() error { return errPlatform }

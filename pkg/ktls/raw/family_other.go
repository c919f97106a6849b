//go:build !linux

package raw

import (
	"os"
	"syscall"
)

// EnableFamily needs Linux; here it fails with [ErrPlatform].
func EnableFamily(syscall.Conn, *CryptoInfo, *CryptoInfo) (*os.File, error) { return nil, errPlatform }

// SetFamilyKeys needs Linux; here it fails with [ErrPlatform].
func SetFamilyKeys(*os.File, Direction, *CryptoInfo) error { return errPlatform }

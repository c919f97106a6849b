//go:build !linux

package raw

import "syscall"

var errPlatform = &Error{Op: "enable kernel TLS", Reason: ErrPlatform}

// Enable needs Linux; here it fails with [ErrPlatform].
func Enable(syscall.Conn, *CryptoInfo, *CryptoInfo) error { return errPlatform }

// SetKeys needs Linux; here it fails with [ErrPlatform].
func SetKeys(syscall.Conn, Direction, *CryptoInfo) error { return errPlatform }

// SendRecord needs Linux; here it fails with [ErrPlatform].
func SendRecord(syscall.Conn, ContentType, []byte, int) (int, error) { return 0, errPlatform }

// RecvRecord needs Linux; here it fails with [ErrPlatform].
func RecvRecord(syscall.Conn, []byte, int) (int, ContentType, error) { return 0, 0, errPlatform }

//go:build !linux

// Package kernel makes the system calls that the record layer of kernel TLS needs, which only Linux has.
package kernel

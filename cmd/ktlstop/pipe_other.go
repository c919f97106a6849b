//go:build !windows

package main

import (
	"errors"
	"syscall"
)

// readerGone reports whether an error of writing is that nobody reads any more.
func readerGone(err error) bool { return errors.Is(err, syscall.EPIPE) }

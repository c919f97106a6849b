//go:build !linux

package tui

import "os"

// leave switches off what the dashboard has switched on. It waits for the terminal, if that
// takes nothing: whoever ends the program does not wait for it for long.
func leave(out *os.File) { _, _ = out.WriteString(leaveScreen) }

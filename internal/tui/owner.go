package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// appendOwner is who has a connection: a part of the kernel in brackets, as in lines of
// text, or the task.
func appendOwner(dst []byte, c *event.Conn, p *event.Process) []byte {
	if c == nil || c.KernelUser == "" {
		return appendComm(dst, p)
	}
	dst = safe.Append(append(dst, '['), c.KernelUser)
	return append(dst, ']')
}

// appendRemote is the peer, and before it the local port of what a part of the kernel has:
// it alone tells the queues of one NVMe controller apart.
func appendRemote(dst []byte, c *event.Conn, e *env) []byte {
	if c.KernelUser == "" {
		return appendPeer(dst, c.RAddr, c.RPort, e)
	}
	at := len(dst)
	dst = append(strconv.AppendUint(dst, uint64(c.LPort), 10), '>')
	rest := *e
	rest.width -= len(dst) - at
	return appendPeer(dst, c.RAddr, c.RPort, &rest)
}

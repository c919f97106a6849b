package sink

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// The methods here append a column and the space behind it.

func (p *printer) str(s string) { p.dst = append(p.dst, s...) }

func (p *printer) pad(n int) {
	for ; n > 0; n-- {
		p.dst = append(p.dst, ' ')
	}
}

// end ends the line, without blanks before the newline.
func (p *printer) end() {
	for len(p.dst) > 0 && p.dst[len(p.dst)-1] == ' ' {
		p.dst = p.dst[:len(p.dst)-1]
	}
	p.dst = append(p.dst, '\n')
}

// ascii writes a word of this program, which is ASCII.
func (p *printer) ascii(s string, width int) {
	p.str(s)
	p.pad(width - len(s))
	p.str(" ")
}

func (p *printer) right(v uint64, width int) {
	at := len(p.dst)
	p.dst = strconv.AppendUint(p.dst, v, 10)
	p.alignRight(at, width)
}

// alignRight moves the ASCII text from at on to the right end of its column.
func (p *printer) alignRight(at, width int) {
	n := len(p.dst) - at
	if shift := width - n; shift > 0 {
		p.pad(shift)
		copy(p.dst[at+shift:], p.dst[at:at+n])
		for i := range shift {
			p.dst[at+i] = ' '
		}
	}
	p.str(" ")
}

// comm writes a task's name, sanitised, in exactly width columns.
func (p *printer) comm(proc *event.Process, width int) {
	at := len(p.dst)
	var name [32]byte
	p.dst = safe.Append(p.dst, appendShort(name[:0], proc))
	used := p.cut(at, width)
	p.pad(width - used)
	p.str(" ")
}

// owner writes the owner of a connection. A part of the kernel stands in brackets, as ps
// writes names that are not those of programs.
func (p *printer) owner(c *event.Conn, proc *event.Process, width int) {
	if c == nil || c.KernelUser == "" {
		p.comm(proc, width)
		return
	}
	at := len(p.dst)
	p.dst = append(p.dst, '[')
	p.dst = safe.Append(p.dst, []byte(c.KernelUser))
	p.dst = append(p.dst, ']')
	p.pad(width - p.cut(at, width))
	p.str(" ")
}

// appendShort is Process.AppendName for a narrow column: "k:NAME" for a kernel thread, and
// for no other task.
func appendShort(b []byte, proc *event.Process) []byte {
	const prefix = "k:"
	if proc.Kernel {
		return append(append(b, prefix...), proc.Comm.String()...)
	}
	at := len(b)
	b = proc.AppendName(b)
	if bytes.HasPrefix(b[at:], []byte(prefix)) {
		b[at+1] = 0xff // as AppendName does with its own
	}
	return b
}

// cut truncates the text from at on to width columns, and returns its width. Truncated text
// ends in an ellipsis.
func (p *printer) cut(at, width int) int {
	used := safe.Width(p.dst[at:])
	if used <= width {
		return used
	}
	size, used := safe.Prefix(p.dst[at:], width-1)
	p.dst = p.dst[:at+size]
	if width < 1 {
		return 0
	}
	p.str("…")
	return used + 1
}

// endpoint writes address and port, with brackets round IPv6.
func (p *printer) endpoint(a netip.Addr, port uint16) {
	if !a.IsValid() {
		p.str("?")
		return
	}
	if a.Is6() {
		p.str("[")
	}
	p.addr(a)
	if a.Is6() {
		p.str("]")
	}
	p.str(":")
	p.dst = strconv.AppendUint(p.dst, uint64(port), 10)
}

func (p *printer) addr(a netip.Addr) { p.dst = a.WithZone("").AppendTo(p.dst) }

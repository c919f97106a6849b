package inspect

import (
	"path"
	"runtime"
	"strconv"
	"strings"
)

// survive is deferred where a decoder runs. The input is hostile, and a fault in a decoder
// must not end the trace: if the decoder panics, nothing more of its connection is shown,
// and a note says where it happened. The panic's value is not reported, because it may
// quote the input.
func (c *conn) survive(s *stream) {
	if c.in.strict || recover() == nil {
		return
	}
	if !c.broken {
		c.in.note(s, "a fault of ktlstop's own, please report it ("+panicked()+"): nothing more of this connection is shown")
	}
	c.broken = true
	for _, s := range c.streams {
		if !s.rules.off { // bytes that the decoder consumed may not be masked yet
			maskAll(s.masked(s.base, s.end()))
		}
		s.decoder = broken{}
		s.decoder.flush(s)
	}
}

// panicked returns the file and the line of a panic that is being recovered.
func panicked() reason {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") || !more {
			return reason(path.Base(f.File) + ":" + strconv.Itoa(f.Line))
		}
	}
}

// broken is the decoder of a connection whose decoder panicked.
type broken struct{}

func (b broken) decode(s *stream) bool        { b.flush(s); return true }
func (broken) pending(*stream) (uint64, bool) { return 0, false }
func (broken) flush(s *stream)                { s.hide(len(s.rest()), "") }
func (broken) gap(*stream, uint64)            {}
func (broken) end(*stream)                    {}

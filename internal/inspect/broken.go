package inspect

import (
	"path"
	"runtime"
	"strconv"
	"strings"
)

// survive is deferred where a decoder runs. What comes over the wire is hostile, and a
// fault in reading it must not end the trace: if the decoder panics, nothing more is shown
// of its connection, and a note says where it was. The panic's value is not told, it may
// quote what came.
func (c *conn) survive(s *stream) {
	if c.in.strict || recover() == nil {
		return
	}
	if !c.broken {
		c.in.note(s, "a fault of ktlstop's own, please report it ("+panicked()+"): nothing more of this connection is shown")
	}
	c.broken = true
	for _, s := range c.streams {
		if !s.rules.off { // what the decoder took may not be masked yet
			maskAll(s.masked(s.base, s.end()))
		}
		s.decoder = broken{}
		s.decoder.flush(s)
	}
}

// panicked is the file and the line that a panic which is being recovered came from.
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

// broken is the decoder of a connection on which one panicked.
type broken struct{}

func (b broken) decode(s *stream) bool        { b.flush(s); return true }
func (broken) pending(*stream) (uint64, bool) { return 0, false }
func (broken) flush(s *stream)                { s.hide(len(s.rest()), "") }
func (broken) gap(*stream, uint64)            {}
func (broken) end(*stream)                    {}

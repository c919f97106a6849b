package inspect

import (
	"fmt"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// reason is a text of a note. It has its own type so that no reason is made from
// received bytes, or from an error that quotes them: a constant converts to it, a
// string does not.
type reason string

// note adds a note to a stream on what cannot be decoded. what may have a verb for each
// of the numbers.
func (in *Inspector) note(s *stream, what reason, numbers ...uint64) {
	n := &finding.Note{Dir: s.dir, Text: what.with(numbers)}
	if s.now != nil {
		n.Conn, n.Proc, n.Mono = s.now.Conn, s.now.Proc, s.now.Mono
	}
	s.after(n)
}

func (r reason) with(numbers []uint64) string {
	args := make([]any, len(numbers))
	for i, n := range numbers {
		args[i] = n
	}
	return fmt.Sprintf(string(r), args...)
}

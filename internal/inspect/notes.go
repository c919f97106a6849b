package inspect

import (
	"fmt"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// reason is a text that notes may hold. It is a type of its own so that none is
// made from what came over the wire, or from an error that quotes it: a constant
// converts to it, a string does not.
type reason string

// note notes in a stream what cannot be decoded. what may have a verb for each of
// the numbers.
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

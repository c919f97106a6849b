package sink

import (
	"bufio"
	"io"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// NewRaw returns a Sink that writes the payloads of records and nothing else.
// They are not fit for a terminal.
func NewRaw(w io.Writer) Sink { return &raw{bufio.NewWriterSize(w, bufferSize)} }

type raw struct{ *bufio.Writer }

// Write implements Sink.
func (r *raw) Write(ev event.Event) error {
	record, ok := ev.(*event.Record)
	if !ok {
		return nil
	}
	_, err := r.Writer.Write(record.Payload)
	return err
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ktlstop/ktlstop/internal/sink"
)

// report is what a command says when it is done. Its text may quote others.
type report interface{ WriteText(io.Writer) error }

// printReport writes a report whole, or as much of it as is taken after a signal.
func printReport(stdout io.Writer, r report, output string) error {
	b, err := encodeReport(r, output)
	if err != nil {
		return err
	}
	q := sink.NewQueue(keepOpen{stdout}, sink.QueueConfig{})
	_, _ = q.Put(b, sink.Last) // Close has the error
	if err := q.Close(endings.GiveUp()); err != nil {
		return fmt.Errorf("write the report to standard output: %w", err)
	}
	return nil
}

func encodeReport(r report, output string) ([]byte, error) {
	if output == "json" {
		b, err := json.Marshal(r)
		return append(b, '\n'), err
	}
	var text bytes.Buffer
	err := r.WriteText(&text)
	var safe bytes.Buffer
	for line := range strings.Lines(text.String()) {
		safe.WriteString(sink.Sanitize(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return safe.Bytes(), err
}

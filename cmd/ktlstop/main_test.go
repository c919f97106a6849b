package main

import (
	"errors"
	"fmt"
	"testing"
)

// Of errors that were joined those count that are no end of a reader.
func TestBesides(t *testing.T) {
	gone, other := fmt.Errorf("write: %w", errReaderGone), errors.New("the disk is full")
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{gone, ""},
		{other, "the disk is full"},
		{errors.Join(gone, nil), ""},
		{errors.Join(gone, other), "the disk is full"},
		{errors.Join(errors.Join(other, gone), gone), "the disk is full"},
		{fmt.Errorf("trace: %w", other), "trace: the disk is full"},
	} {
		got := ""
		if err := withoutKind(c.err, errReaderGone); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("of %v is left %q, want %q", c.err, got, c.want)
		}
	}
}

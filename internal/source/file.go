package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Open opens a recording. Its tier is known at once: what holds plaintext has
// to be treated as such before the first event is looked at.
func Open(name string) (*Reader, io.Closer, error) {
	// A pipe without a writer would let open(2) wait for ever.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("read the recording: %w", err)
	}
	r, err := open(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("read the recording %s: %w", name, err)
	}
	return r, f, nil
}

func open(f *os.File) (*Reader, error) {
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, errors.New("it is no file; write what comes from elsewhere to one")
	}
	ahead := NewReader(f)
	if err := ahead.untilTier(); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := NewReader(f)
	r.tier, r.begun, r.offset, r.hosts = ahead.tier, ahead.begun, ahead.offset, ahead.hosts
	return r, nil
}

// untilTier reads up to the first line that says the run's tier, and past those that
// say whose it is.
func (r *Reader) untilTier() error {
	greets := true
	for n := 0; greets || !r.told; n++ {
		ev, err := r.Next()
		_, greets = ev.(*event.Host)
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return errors.New("there is no event in it")
		case errors.Is(err, ErrCut) && n == 0:
			return errors.New("there is no event in it: its last line is cut off, and none is before it")
		case errors.Is(err, io.EOF), errors.Is(err, ErrCut):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

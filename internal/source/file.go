package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
		return nil, errors.New("not a regular file; save the recording to a file first")
	}
	if err := otherKind(f); err != nil {
		return nil, err
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

// otherKinds are files that begin like none of lines.
var otherKinds = []struct{ magic, what string }{
	{"\x1f\x8b", "it is compressed: gunzip it first"},
	{"\x28\xb5\x2f\xfd", "it is compressed: unzstd it first"},
	{"\xfd7zXZ", "it is compressed: unxz it first"},
	{"\n\r\r\n", "it is a capture, for Wireshark; a recording is what ktlstop trace -o json writes"},
	{"\xef\xbb\xbf", "it begins with a byte order mark, which an editor put there: take that away (tail -c +4 FILE)"},
	{"\xff\xfe", "it is UTF-16, which an editor made of it: a recording is UTF-8"},
}

// otherKind says what a file is that is surely no recording.
func otherKind(f io.ReaderAt) error {
	var begin [8]byte
	n, err := f.ReadAt(begin[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, kind := range otherKinds {
		if strings.HasPrefix(string(begin[:n]), kind.magic) {
			return errors.New(kind.what)
		}
	}
	return nil
}

// untilTier reads up to the first line that says the run's tier, and past those that
// say whose it is.
func (r *Reader) untilTier() error {
	greets := true
	for n := 0; greets || !r.tierKnown; n++ {
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

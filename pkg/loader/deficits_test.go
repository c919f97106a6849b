//go:build linux && (amd64 || arm64)

package loader

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/namespace"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// TestDeficits: what is said to be missing, and how often is looked.
func TestDeficits(t *testing.T) {
	type look struct{ before, after, met int }
	for name, c := range map[string]struct {
		looks       []look
		looked, sum int
	}{
		"all met":                         {[]look{{3, 3, 3}}, 1, 0},
		"one missing":                     {[]look{{3, 3, 2}, {3, 3, 2}}, 2, 1},
		"a met one ends":                  {[]look{{3, 2, 2}, {2, 2, 1}, {2, 2, 1}}, 3, 1},
		"connections begin":               {[]look{{3, 9, 3}, {9, 20, 9}, {20, 30, 20}}, 3, 0},
		"one begins as another ends":      {[]look{{3, 3, 2}, {3, 3, 3}}, 2, 0},
		"one look said it, and no others": {[]look{{3, 3, 2}, {3, 4, 3}, {4, 5, 4}}, 3, 0},
		"none":                            {[]look{{0, 0, 0}}, 1, 0},
	} {
		l, looked, again := deficits{}, 0, true
		for ; again && looked < len(c.looks); looked++ {
			n := c.looks[looked]
			again = l.update(countsOf(n.before), countsOf(n.after), map[uint32]object.KtlsNetnsCount{1: {Sw: [2]uint32{uint32(n.met), uint32(n.met)}}})
		}
		if looked != c.looked || l.sum() != c.sum {
			t.Errorf("%s: %d missing after %d looks, want %d after %d", name, l.sum(), looked, c.sum, c.looked)
		}
	}
}

func countsOf(n int) counts { return counts{1: {Software: [2]int{n, n}}} }

// TestDeficitsByDirection: directions are compared each by itself, and a card's sockets are not software's.
func TestDeficitsByDirection(t *testing.T) {
	open := namespace.Open{Software: [2]int{3, 1}, Card: [2]int{1, 0}}
	if n := countMissing(open, object.KtlsNetnsCount{Sw: [2]uint32{2, 1}, Card: [2]uint32{0, 2}}); n != 2 {
		t.Errorf("%d", n)
	}
}

// TestReadOut: an iterator that breaks off goes on, and one that fails does not.
func TestReadOut(t *testing.T) {
	failure := errors.New("failed")
	for name, c := range map[string]struct {
		errs []error
		want error
	}{
		"breaks off": {[]error{unix.EAGAIN, unix.EAGAIN, io.EOF}, nil},
		"fails":      {[]error{unix.EAGAIN, failure}, failure},
	} {
		r := &breaksOff{errs: c.errs}
		if err := readOut(r); !errors.Is(err, c.want) || len(r.errs) != 0 {
			t.Errorf("%s: %v, %d left", name, err, len(r.errs))
		}
	}
}

// breaksOff returns its errors one after the other.
type breaksOff struct{ errs []error }

func (r *breaksOff) Read([]byte) (int, error) {
	err := r.errs[0]
	r.errs = r.errs[1:]
	return 0, err
}

//go:build linux && (amd64 || arm64)

package loader

import (
	"github.com/ktlstop/ktlstop/pkg/loader/internal/namespace"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// counts is how many sockets network namespaces count, by the namespaces' numbers.
type counts map[uint32]namespace.Open

// enter notes what the current namespace counts, whose number is inode.
func (c counts) enter(inode uint32) error {
	open, err := namespace.OpenTLS()
	if err == nil {
		c[inode] = open
	}
	return err
}

// deficits are, by namespace, how many more sockets the kernel counts than passes of the
// inventory have found.
type deficits map[uint32]deficit

// deficit is the smallest difference that a pass has found, and how many passes had a result.
type deficit struct{ least, times int }

// update enters what one pass has found, and reports whether another pass is necessary. If the
// count of a namespace changed during the pass, the pass has no result for it: a new socket
// is missing, and a closed one was still found. Since a socket that opens while another
// closes does not change the count, one pass alone does not prove that a socket is missing.
func (l deficits) update(before, after counts, found map[uint32]object.KtlsNetnsCount) (again bool) {
	for inode, open := range after {
		if before[inode] != open {
			again = true
			continue
		}
		n, known := countMissing(open, found[inode]), l[inode]
		if known.times == 0 || n < known.least {
			known.least = n
		}
		known.times++
		l[inode] = known
		again = again || known.least > 0 && known.times < 2
	}
	return again
}

// sum returns how many sockets are missing in total.
func (l deficits) sum() (n int) {
	for _, known := range l {
		if known.times > 1 {
			n += known.least
		}
	}
	return n
}

// countMissing returns how many more sockets a namespace counts than were found. It is a lower
// bound, since a socket can have both directions or one. If the kernel counts nothing, none is
// missing.
func countMissing(open namespace.Open, found object.KtlsNetnsCount) int {
	var lacks [2]int
	for dir := range lacks {
		lacks[dir] = max(0, open.Software[dir]-int(found.Sw[dir])) + max(0, open.Card[dir]-int(found.Card[dir]))
	}
	return max(lacks[0], lacks[1])
}

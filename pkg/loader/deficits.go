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

// deficits are by how many sockets namespaces count more than looks have met there.
type deficits map[uint32]deficit

// deficit is the least that looks have said, and how many have said something.
type deficit struct{ least, times int }

// update enters what one look has met, and reports whether another has to be taken. Of a
// namespace whose count has changed meanwhile the look says nothing: what has begun is
// missing and what has ended is met still. What begins and ends in pairs does not show in
// the count, and so one look alone does not say that a socket is missing.
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

// sum is how many sockets are missing in all.
func (l deficits) sum() (n int) {
	for _, known := range l {
		if known.times > 1 {
			n += known.least
		}
	}
	return n
}

// countMissing is by how many sockets a namespace counts more than were met: at least, since a
// socket can have both directions or one. A kernel that counts nothing has none to miss.
func countMissing(open namespace.Open, found object.KtlsNetnsCount) int {
	var lacks [2]int
	for dir := range lacks {
		lacks[dir] = max(0, open.Software[dir]-int(found.Sw[dir])) + max(0, open.Card[dir]-int(found.Card[dir]))
	}
	return max(lacks[0], lacks[1])
}

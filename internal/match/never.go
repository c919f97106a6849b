package match

import (
	"math"
	"slices"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Void returns the first part of the expression that no value of its field can satisfy; nil
// if there is none. Like Never it examines only parts joined by and.
func (e *Expr) Void() *Test {
	for _, n := range e.Conjuncts() {
		if t, ok := n.(*Test); ok && t.isVoid() {
			return t
		}
	}
	return nil
}

func (t *Test) isVoid() bool {
	least, most, ok := t.Field.span()
	switch {
	case !ok || t.Op == NotIn:
		return false
	case t.Op == In:
		return !slices.ContainsFunc(t.Nums, func(n uint64) bool { return least <= n && n <= most })
	}
	low, high := t.bounds()
	return max(low, least) > min(high, most)
}

// maxLen is the largest length of a TLS 1.3 record with the byte of its type (RFC 8446 §5.4),
// which the kernel counts as plaintext until it has decrypted the record.
const maxLen = 16<<10 + 1

// span is the smallest and the largest value of a numeric field that a record has.
func (f Field) span() (least, most uint64, ok bool) {
	switch in := &infos[f]; {
	case f == Len:
		return 0, maxLen, true
	case f == CallRecords:
		return 1, in.max, true
	case in.kind == duration: // 0 is not known
		return 1, math.MaxUint64, true
	case in.kind == number:
		return 0, in.max, true
	}
	return 0, 0, false
}

// Never returns two parts of the expression that cannot both hold, so that the whole
// expression never does. It examines only parts joined by and, and does not find every
// contradiction.
func (e *Expr) Never() (one, other Node, never bool) {
	var tests []*Test
	for _, n := range e.Conjuncts() {
		t, ok := n.(*Test)
		if !ok || !t.Field.hasOneValue() {
			continue
		}
		for _, before := range tests {
			if before.Field == t.Field && before.excludes(t) || before.dirs()&t.dirs() == 0 {
				return before, t, true
			}
		}
		tests = append(tests, t)
	}
	return nil, nil, false
}

// hasOneValue: of a port and an address there are two, and a container has an id and a
// name. An order of versions is not that of their numbers.
func (f Field) hasOneValue() bool {
	switch f {
	case Port, Addr, LAddr, RAddr, Container, Version, Payload:
		return false
	}
	return true
}

// dirs returns the directions, a bit each, in which a test can hold: only sent or only
// received records have some fields.
func (t *Test) dirs() (in int) {
	for _, d := range []event.Dir{event.TX, event.RX} {
		has := true
		switch f := t.Field; {
		case f == Dir:
			has = slices.Contains(t.Nums, uint64(d)) == (t.Op == In)
		case f >= LatQueue && f <= LatPush:
			has = d == event.TX
		case f >= LatWait && f <= LatDeliver, f == CallRecords, f == CallTime, f == Card:
			has = d == event.RX
		}
		if has {
			in |= 1 << d
		}
	}
	return in
}

// excludes reports whether no value of their field satisfies both tests.
func (t *Test) excludes(other *Test) bool {
	switch {
	case t.Op == Contains || other.Op == Contains || t.Op == NotIn && other.Op == NotIn:
		return false
	case len(t.Texts) > 0:
		return !some(t.Texts, t.Op, other.Texts, other.Op)
	case t.Op == In || other.Op == In || t.Op == NotIn || other.Op == NotIn:
		return t.noneIn(other)
	}
	low, high := t.bounds()
	otherLow, otherHigh := other.bounds()
	return max(low, otherLow) > min(high, otherHigh)
}

// noneIn is excludes for the case that one of the two lists its values.
func (t *Test) noneIn(other *Test) bool {
	if t.Op != In {
		t, other = other, t
	}
	if t.Op != In { // all but some, in an order: there is always one more
		return false
	}
	if other.Op == In || other.Op == NotIn {
		return !some(t.Nums, t.Op, other.Nums, other.Op)
	}
	low, high := other.bounds()
	return !slices.ContainsFunc(t.Nums, func(n uint64) bool { return low <= n && n <= high })
}

// some reports whether a value satisfies both tests, of which at least one is In.
func some[T comparable](a []T, op Operator, b []T, otherOp Operator) bool {
	if op != In {
		a, b, otherOp = b, a, op
	}
	return slices.ContainsFunc(a, func(v T) bool { return slices.Contains(b, v) == (otherOp == In) })
}

// bounds returns the smallest and the largest number that satisfies a comparison by order.
// The smallest is above the largest if no number does.
func (t *Test) bounds() (low, high uint64) {
	low, high = 0, math.MaxUint64
	switch n := t.Nums[0]; t.Op {
	case Less:
		if n == 0 {
			return 1, 0
		}
		high = n - 1
	case LessEqual:
		high = n
	case Greater:
		if n == math.MaxUint64 {
			return 1, 0
		}
		low = n + 1
	case GreaterEqual:
		low = n
	}
	return low, high
}

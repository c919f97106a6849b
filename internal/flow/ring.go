package flow

// ring keeps the last len(buf) values.
type ring[T any] struct {
	buf []T
	n   uint64 // values ever put in
}

func newRing[T any](size int) ring[T] { return ring[T]{buf: make([]T, size)} }

// slot is where the next value goes, over the oldest.
func (r *ring[T]) slot() *T {
	s := &r.buf[r.n%uint64(len(r.buf))]
	r.n++
	return s
}

// list returns the values that are kept, the oldest first.
func (r *ring[T]) list() []T {
	size := uint64(len(r.buf))
	if r.n <= size {
		return append([]T(nil), r.buf[:r.n]...)
	}
	out := make([]T, 0, size)
	at := r.n % size
	return append(append(out, r.buf[at:]...), r.buf[:at]...)
}

// reset forgets all values.
func (r *ring[T]) reset() {
	clear(r.buf)
	r.n = 0
}

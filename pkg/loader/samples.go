//go:build linux && (amd64 || arm64)

package loader

import "github.com/ktlstop/ktlstop/pkg/event"

// Aggregates reports whether the kernel adds records up: whether Config.Aggregate is set
// and the backend supports it.
func (t *Tracer) Aggregates() bool { return t.sums != nil }

// Samples calls visit for each connection that the kernel keeps sums of, and removes those
// that are closed: their Sample is Final. visit must not keep the Sample after it returns,
// and must not call Samples or Rings.
//
// Closed connections occupy the map until Samples reads them. One call a second is enough.
// Call it once more after Run, which adds the records that were unfinished. If Aggregates
// returns false, Samples does nothing.
func (t *Tracer) Samples(visit func(*event.Sample)) error {
	if t.sums == nil {
		return nil
	}
	return t.sums.Read(visit)
}

// Stream makes Run report each record of the connection with an event.Conn.ID, and no
// longer those of the connection chosen before; 0 chooses none. If Aggregates returns
// false, Stream does nothing, since Run reports each record anyway.
func (t *Tracer) Stream(conn uint64) error {
	if t.sums == nil {
		return nil
	}
	if err := t.sums.Stream(conn); err != nil {
		return err
	}
	t.stream.Store(conn)
	return nil
}

// Held returns the data that the connection with an event.Conn.ID holds back now. It
// returns nil if there is none, if the connection is closed, or if this run cannot know:
// Held needs Config.Aggregate and the eBPF backend.
func (t *Tracer) Held(conn uint64) (*event.Held, error) { return t.held(conn) }

// releaseStream reports the records that wait for the return of their call when another
// connection was chosen: the event of that return will not arrive.
func (t *Tracer) releaseStream(handle func(event.Event) error) error {
	now := t.stream.Load()
	if now == t.streamed {
		return nil
	}
	old := t.streamed
	t.streamed = now
	return t.asm.Release(old, handle)
}

// Rings lists the buffers of this run that can be full. It returns none for the gobpf
// backend.
func (t *Tracer) Rings() []BufferUsage {
	out := t.rings(t.snaplen > 0)
	if t.dtls != nil {
		out = append(out, t.dtls.usage(t.snaplen > 0)...)
	}
	if t.sums != nil {
		size, used := t.sums.Usage()
		out = append(out, BufferUsage{"stats", []string{"stats_map_full"}, size, used})
	}
	return out
}

//go:build linux && (amd64 || arm64)

package loader

import "github.com/ktlstop/ktlstop/pkg/event"

// Aggregates says whether the kernel adds records up: Config.Aggregate has asked
// for it, and the backend can.
func (t *Tracer) Aggregates() bool { return t.sums != nil }

// Samples calls visit for each connection that the kernel adds records up for,
// and forgets those that are closed: their Sample is Final. The Sample is
// visit's until it returns, and visit must not call Samples or Rings. Closed
// connections take room in the kernel until they are read: a call a second is
// enough. Read once more after Run, which adds what was unfinished. Without
// Config.Aggregate there are none.
func (t *Tracer) Samples(visit func(*event.Sample)) error {
	if t.sums == nil {
		return nil
	}
	return t.sums.Read(visit)
}

// Stream turns on, or with 0 off, the events of each record of one connection, by
// its event.Conn.ID, instead of the one before. Without Config.Aggregate it does
// nothing: there each record is an event.
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

// Held is what a connection holds back right now, by its event.Conn.ID; nil where that
// is nothing, and where it is not known: the connection is gone, or this backend cannot
// tell. It takes Config.Aggregate.
func (t *Tracer) Held(conn uint64) (*event.Held, error) { return t.held(conn) }

// releaseStream lets go what waits for its call's return when another connection
// has been chosen: the event that would bring it does not come any more.
func (t *Tracer) releaseStream(handle func(event.Event) error) error {
	now := t.stream.Load()
	if now == t.streamed {
		return nil
	}
	old := t.streamed
	t.streamed = now
	return t.asm.Release(old, handle)
}

// Rings lists what can be full in this run. The gobpf backend does not tell.
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

package loader

// Fill says how full a ring buffer or a map is, in bytes or entries. Cause is
// the event.Lost cause of what finds no room.
type Fill struct {
	Name, Cause string
	Size, Used  uint64
}

// Rings lists what can be full. It may be called while other methods run, but
// not after Close.
func (t *Tracer) Rings() []Fill {
	out := t.rings(t.snaplen > 0)
	if t.sums != nil {
		size, used := t.sums.Fill()
		out = append(out, Fill{"stats", "stats_map_full", size, used})
	}
	return out
}

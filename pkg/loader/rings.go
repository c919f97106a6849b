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
	if t.sampler != nil {
		t.sampler.mu.Lock()
		defer t.sampler.mu.Unlock()
		out = append(out, Fill{"stats", "stats_map_full", uint64(t.sampler.stats.MaxEntries()), uint64(t.sampler.count)})
	}
	return out
}

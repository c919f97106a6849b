package loader

// Fill says how full a ring buffer or a map is, in bytes or entries. Causes are
// those of event.Lost under which what finds no room there is told.
type Fill struct {
	Name       string
	Causes     []string
	Size, Used uint64
}

// Rings lists what can be full. It may be called while other methods run, but
// not after Close.
func (t *Tracer) Rings() []Fill {
	out := t.rings(t.snaplen > 0)
	if t.sums != nil {
		size, used := t.sums.Fill()
		out = append(out, Fill{"stats", []string{"stats_map_full"}, size, used})
	}
	return out
}

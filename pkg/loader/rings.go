package loader

// Fill says how full a ring buffer or a map is.
type Fill struct {
	Name string
	// Causes are those of event.Lost under which what finds no room there is told.
	Causes []string
	// Size and Used are bytes of the rings "events" and "payloads", and entries of
	// the map "stats" as they were at the last Samples.
	Size, Used uint64
}

// Rings lists what can be full in this run. The gobpf backend does not tell.
func (t *Tracer) Rings() []Fill {
	out := t.rings(t.snaplen > 0)
	if t.dtls != nil {
		out = append(out, t.dtls.fills(t.snaplen > 0)...)
	}
	if t.sums != nil {
		size, used := t.sums.Fill()
		out = append(out, Fill{"stats", []string{"stats_map_full"}, size, used})
	}
	return out
}

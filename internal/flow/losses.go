package flow

import "maps"

// explaining are the kernel's causes under which records of connections that it
// follows vanish. The Ledger finds the same records missing, without knowing why.
// Of a connection that found no room (conn_map_full) no sequence is known, so
// that its records are never a gap; nor are events that are no records.
var explaining = []string{"ring_full", "pending_map_full"}

// Losses puts together what was counted by cause and the gaps that a Ledger
// found, so that no record counts twice: a gap that a counter explains is not a
// loss of its own. It returns a new map and the sum of it.
func Losses(byCause map[string]uint64, gaps uint64) (lost map[string]uint64, total uint64) {
	lost = maps.Clone(byCause)
	if lost == nil {
		lost = make(map[string]uint64)
	}
	var explained uint64
	for _, cause := range explaining {
		explained += lost[cause]
	}
	if gaps > explained {
		lost[CauseGap] += gaps - explained
	}
	for _, n := range lost {
		total += n
	}
	return lost, total
}

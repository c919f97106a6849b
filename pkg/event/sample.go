package event

// Log2Buckets is the number of a Log2Hist's buckets.
const Log2Buckets = 36

// Log2Hist is a histogram of nanoseconds as the BPF programs keep it: N[k]
// counts the values of [2^k, 2^(k+1)), the last one also all that is longer.
// Sum and Max are exact.
type Log2Hist struct {
	N        [Log2Buckets]uint32
	Sum, Max uint64
}

// Sample is what the kernel added up of one connection since the trace saw it.
// All counts are cumulative.
type Sample struct {
	Conn   Conn
	Proc   Process
	TLS    [2]TLS
	Mono   uint64 // of the last record
	Totals Totals
	// Gen is Record.Gen of the present keys, Next the sequence of the next record.
	Gen  [2]uint32
	Next [2]uint64
	// Lat holds the histograms of Latency.Stage and, last, of Latency.Total. A
	// record whose end is not known is in Totals and in none of these.
	Lat [2][4]Log2Hist
	// Final says that the connection is closed: no other Sample of it follows.
	Final bool
}

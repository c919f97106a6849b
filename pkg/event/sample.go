package event

// Log2Buckets is the number of buckets of a Log2Hist.
const Log2Buckets = 36

// Log2Hist is a histogram of durations in nanoseconds, as the BPF programs keep it. N[k]
// counts the values in [2^k, 2^(k+1)); the last bucket also counts all longer values.
// Sum and Max are exact.
type Log2Hist struct {
	N        [Log2Buckets]uint32
	Sum, Max uint64
}

// Sample holds the sums that the kernel keeps for one connection (loader.Tracer.Samples).
// All counts are cumulative, since the trace first saw the connection.
type Sample struct {
	Conn Conn
	Proc Process
	TLS  [2]TLS
	// Mono is the time of the last record.
	Mono   uint64
	Totals Totals
	// Gen is the current key generation of each direction, and Next the sequence of
	// its next record.
	Gen  [2]uint32
	Next [2]uint64
	// Lat holds, by direction, the histograms of Latency.Stage[0] to [2] and of
	// Latency.Total. A record whose end the trace did not see is counted in Totals and
	// in none of these.
	Lat [2][4]Log2Hist
	// Final reports that the connection is closed and that this is its last Sample.
	Final bool
}

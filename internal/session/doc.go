// Package session owns what one run of the tracer is: the tracer, the ledger
// of sequences, which events are wanted, sampling, and the sinks that get them.
//
// A Session has two sides. The push side hands events to sinks: Run calls
// them, and Config's Notice, all from the goroutine that Run was called from. The
// pull side is what a screen or a scrape asks for: Snapshot, Select and Measure
// may be called from any goroutine, while Run runs, before and after it, and
// after Close, when Snapshot returns the last state and the others do nothing. All other methods belong to the goroutine that opened
// the Session; none of them runs beside Run.
package session

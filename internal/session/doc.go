// Package session owns what one run of the tracer is: the tracer, the ledger
// of sequences, which events are wanted, sampling, and the sinks that get them.
//
// A Session has two sides. The push side hands events to sinks: Run calls
// them, all from the goroutine that Run was called from, and so are Config's
// Notice and First. The pull side is what a screen or a scrape asks for:
// Snapshot and Select may be called from any goroutine, while Run runs, before
// and after it, and after Close, when Snapshot returns the last state and
// Select does nothing. All other methods belong to the goroutine that opened
// the Session; none of them runs beside Run.
package session

// Package session owns what one run of the tracer is: the tracer, the ledger
// of sequences, which events are wanted, sampling, and the sinks that get them.
//
// A Session has two sides. The push side hands events to sinks: Run calls them,
// all from the goroutine that Run was called from. The pull side is what a screen
// or a scrape asks for: Snapshot, Select and Measure may be called from any
// goroutine, before Run, while it runs and after it. After Close, Snapshot returns
// the last state, nil if there was none, and the other two do nothing. Config's
// Notice may be called from any goroutine that calls one of these. All other
// methods belong to the goroutine that opened the Session; none of them runs
// beside Run.
package session

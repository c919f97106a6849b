// Package session runs one trace. It owns the tracer, the ledger of sequences, the choice
// of events, sampling, and the sinks that get the events.
//
// A Session has two sides. The push side gives events to sinks: Run calls them, all in the
// goroutine that called Run. The pull side serves screens and scrapes: any goroutine may
// call Snapshot, Select and Measure, before, during and after Run. After Close, Snapshot
// returns the last state (nil if there was none), and Select and Measure do nothing.
// Config.Notice may be called in any goroutine that calls one of these. All other methods
// belong to the goroutine that opened the Session, and none of them may be called while Run
// runs.
package session

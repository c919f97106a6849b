// Package flow turns the stream of events into what can be known about it: which
// sequences are missing (Ledger), and what each connection did and how long its
// records took (Table, Snapshot).
//
// A Collector owns a Ledger and a Table; a Snapshot is immutable and belongs to
// everybody.
package flow

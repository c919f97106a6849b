// Package source reads what internal/sink wrote as JSON Lines: a Reader turns
// the lines back into events, a Player hands them on at the recorded pace.
//
// A file may come from anybody: what it says is checked, and no line makes the
// reader keep more than that line.
package source

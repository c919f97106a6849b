// Package tui is the live dashboard: a tea.Model over flow.Snapshot.
//
// The model holds one immutable snapshot and what the user chose to see of it.
// Update changes the model, the view is a function of the model alone, and
// nothing here knows where snapshots come from. There is one message a period,
// never one an event.
package tui

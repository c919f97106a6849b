// Package mute keeps the terminal libraries from asking the terminal for its background
// colour when the program starts, whatever command it is. Nothing here needs the answer, and a
// terminal that gives none would hold the first picture up for seconds and eat what is typed.
//
// Bubble Tea asks in its init, and asks nothing where the variable CI is set. Go initialises a
// package that imports little before those that import more, in the order of their paths: this
// one imports os alone, and so comes before all that ask. Package tui, which imports Bubble Tea,
// calls Over in its own init. A test in cmd/ktlstop reports whether the terminal was asked.
package mute

import "os"

const variable = "CI"

var value, was = os.LookupEnv(variable)

func init() { _ = os.Setenv(variable, "true") }

// Over gives the environment back.
func Over() {
	if was {
		_ = os.Setenv(variable, value)
		return
	}
	_ = os.Unsetenv(variable)
}

//go:build race

package metrics

// raced: the race detector takes its time, and its memory.
const raced = true

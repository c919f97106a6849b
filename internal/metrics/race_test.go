//go:build race

package metrics

// raced: the race detector needs more time and memory.
const raced = true

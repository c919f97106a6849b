// Package sink writes events for people (Text) and for programs (JSON).
//
// A sink buffers; Flush hands on what it holds. An error of the writer stays:
// every later call returns it, so that a closed pipe is noticed once and for all.
package sink

// Package sink writes events for people (Text) and for programs (JSON).
//
// A sink buffers, and Flush writes its buffer. An error of the writer is permanent: every
// later call returns it.
package sink

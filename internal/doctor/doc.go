// Package doctor says why kernel TLS is not on. Facts are what was looked at, on the
// host, in processes and on sockets; Rules are data, each with an id that
// docs/doctor.md explains, and Examine applies one to the other. It reads nothing by
// itself: internal/doctor/facts does.
//
// The order of truth is: what the kernel answered, what the process asked for, what
// its files say. Nothing is concluded that is not certain; what only may be so is a
// Note, and says that it may.
package doctor

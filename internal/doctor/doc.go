// Package doctor explains why kernel TLS is not on. Facts are observations of the host,
// of processes and of sockets; Rules are data, each with an id that docs/doctor.md
// explains, and Examine applies the rules to the facts. The package reads nothing
// itself: internal/doctor/facts does.
//
// Sources in descending order of trust: the kernel's answers, the process's requests,
// its files. Conclusions are certain; a possible cause is only a Note, which says that
// it is possible.
package doctor

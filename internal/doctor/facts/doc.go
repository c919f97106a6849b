// Package facts looks at a host and its processes for internal/doctor: files of /proc,
// /sys, /lib/modules and of programs' configurations below a root, which a test
// replaces, and what only a socket tells (sock_diag, ethtool). Whatever it reads may
// be of others, may be garbage, and may be gone in the middle: reads are bounded, and
// what is missing is unknown, not an error.
package facts

// Package facts examines a host and its processes for internal/doctor: files of /proc,
// /sys, /lib/modules and of programs' configurations below a root, which a test
// replaces, and facts that only sockets give (sock_diag, ethtool). Everything that it
// reads may come from others, may be garbage, and may vanish during the read: reads are
// bounded, and a missing fact is unknown, not an error.
package facts

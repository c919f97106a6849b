// Package programs tests ktlstop on the programs of its users: those of Debian stable,
// with kernel TLS switched on as docs/programs.md says. It compares with their own logs
// and with the other end of each connection. It runs in the guest: make test-programs.
package programs

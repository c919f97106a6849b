// Package programs tests ktlstop on the programs that its users run: Debian
// stable's, with kernel TLS switched on as docs/programs.md says, against their
// own logs and against what the other end of each connection got. It runs in the
// guest: make test-programs.
package programs

// Package cost measures what tracing costs the traced program. It runs the same
// work with and without a tracer, in a guest whose clock counts instructions
// (vmrun -icount), so that the figures repeat.
//
// The tracer's reader is stopped while the work runs: the figures are those of the
// kernel side, which the traced program pays for in its own system calls. The reader's
// cost is measured separately.
package cost

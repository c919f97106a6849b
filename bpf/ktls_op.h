/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which call sends or receives a record. */
#ifndef KTLS_OP_H
#define KTLS_OP_H

#include "ktls_config.h"
#include "ktls_event.h"

/* The system call that closes a record distinguishes send, sendfile, splice and io_uring. */
static __always_inline u8 send_op(u8 flags)
{
	s32 nr;

	if (flags & FLAG_KTHREAD)
		return OP_SEND;
	if (is_ring_worker())
		return OP_URING_SEND;
	nr = syscall_nr();
	if (nr == nr_sendfile)
		return OP_SENDFILE;
	if (nr == nr_uring)
		return OP_URING_SEND;
	return nr == nr_splice ? OP_SPLICE : OP_SEND;
}

/*
 * Receives of an io_uring use the same kernel function as recvmsg. Few tasks have a ring,
 * so the system call's number, which costs more, is read last.
 */
static __always_inline u8 read_op(u8 op, u8 flags)
{
	const struct task_struct *t = bpf_get_current_task_btf();

	if (op != OP_RECV || flags & FLAG_KTHREAD || !bpf_core_field_exists(t->io_uring))
		return op;
	return is_ring_worker() || (t->io_uring && syscall_nr() == nr_uring) ? OP_URING_RECV : op;
}

#endif

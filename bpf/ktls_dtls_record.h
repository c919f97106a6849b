/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Filling in the event of a DTLS record. */
#ifndef KTLS_DTLS_RECORD_H
#define KTLS_DTLS_RECORD_H

#include "ktls_dtls_conn.h"
#include "ktls_op.h"

/* A reservation has a constant size, so copies come in three sizes. */
#define DTLS_COPY(CAP) do { \
	struct payload *p = bpf_ringbuf_reserve(&payloads, sizeof(*p) + CAP, 0); \
	if (!p) { \
		count_lost(LOST_PAYLOAD_RING_FULL, e->dir); \
		return 0; \
	} \
	if (n > CAP) \
		n = CAP; \
	if (bpf_probe_read_kernel(p->data, n, (void *)from)) { \
		bpf_ringbuf_discard(p, BPF_RB_NO_WAKEUP); \
		count_lost(LOST_PAYLOAD_UNREADABLE, e->dir); \
		return 0; \
	} \
	p->conn = e->conn; \
	p->seq = e->rec.seq; \
	p->begun = e->rec.stamp[1]; \
	p->gen = e->gen; \
	p->len = n; \
	p->dir = e->dir; \
	bpf_ringbuf_submit(p, BPF_RB_NO_WAKEUP); \
	e->flags |= FLAG_PAYLOAD; \
} while (0)

static __noinline int dtls_copy(struct event *e, u64 from)
{
	u64 n;

	if (!e || !from || !snaplen || e->flags & FLAG_HIDDEN)
		return 0;
	n = e->rec.len < snaplen ? e->rec.len : snaplen;
	if (!n)
		return 0;
	if (n <= 256)
		DTLS_COPY(256);
	else if (n <= 2048)
		DTLS_COPY(2048);
	else
		DTLS_COPY(16384);
	return 0;
}

/* Read the level and description of an alert, or the type of a handshake message (RFC 6347 section 4.2.2). */
static __always_inline void dtls_control(struct event *e, u64 from)
{
	u16 two = 0;

	if (e->type == TYPE_DATA || !from || e->rec.len < 2)
		return;
	if (bpf_probe_read_kernel(&two, sizeof(two), (void *)from))
		return;
	__builtin_memcpy(e->rec.ctl, &two, sizeof(two));
	e->flags |= FLAG_CONTROL;
}

/* Fill in a record of a connection; e starts as a copy of its shared fields. */
static __always_inline void dtls_fill(struct event *e, const struct afktls_record *rec)
{
	u16 epoch = GIVEN(rec, epoch);

	e->kind = KIND_RECORD;
	e->type = GIVEN(rec, type);
	if (epoch < e->epoch) /* the key changed while this record was being sealed or queued */
		e->gen -= e->gen < (u32)(e->epoch - epoch) ? e->gen : (u32)(e->epoch - epoch);
	e->epoch = epoch;
	e->rec.seq = GIVEN(rec, seq);
	e->rec.len = GIVEN(rec, len);
	e->datagram_or_user = GIVEN(rec, datagram);
	e->rec.stamp[0] = GIVEN(rec, begun);
	e->rec.weight = 1;
	e->flags = 0;
	set_process(e);
}

static __always_inline void dtls_emit(struct event *e, u64 *hidden)
{
	if (e->flags & FLAG_HIDDEN) {
		__sync_fetch_and_add(hidden, 1);
		return;
	}
	e->rec.hidden = *hidden;
	emit(e);
}

#endif

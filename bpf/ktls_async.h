/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Completions of asynchronous crypto, in softirq or in a worker. */
#ifndef KTLS_ASYNC_H
#define KTLS_ASYNC_H

#include "ktls_push.h"
#include "ktls_return.h"

/*
 * Scratch space for tls_decrypt_done, whose event does not fit on the stack and which runs
 * concurrently with all other hooks. One per CPU is enough: the kernel does not run a
 * program twice at a time on a CPU.
 */
struct opening {
	struct event e;
	struct source from;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct opening);
} opening SEC(".maps");

/* tls_encrypt_done: asynchronous crypto has sealed a record, in softirq or in a worker. */
static __always_inline int encryption_ends(u64 *ctx)
{
	const struct crypto_async_request *req = (void *)ctx[0];
	struct tls_rec *rec = (void *)req;
	struct pending_key key = {};
	int err = ctx[1];
	struct pending_record *w;
	struct event *e;
	struct conn *c;
	u32 place;

	if (err == -EINPROGRESS)
		return 0;
	if (done_is_req)
		rec = (void *)BPF_CORE_READ(req, data) - bpf_core_field_offset(struct tls_rec, aead_req);
	c = conn_lookup((u64)BPF_CORE_READ(rec, sk));
	if (!c || (!stages && !err))
		return 0;
	e = &c->tx;
	if (stages && (c->tx_rec != (u64)rec || c->tx_state != TX_SEALING)) {
		place = pending_index(c, (u64)rec);
		key.conn = c->tx.conn;
		key.number = c->head + place - 1;
		w = bpf_map_lookup_elem(&pending, &key);
		if (!place || !w)
			return 0;
		e = &w->e;
	}
	if (err) {
		c->tx_failed = 1;
		c->tx_err = -err;
		emit_kernel_failure(e, stages ? e->rec.seq : c->next[DIR_TX], err, FUNC_ENCRYPT_DONE, e->type);
		return 0;
	}
	e->rec.stamp[2] = stage_time(e);
	return 0;
}

/*
 * Dashboard mode: store the completion of record seq in the connection's current rx event,
 * if that still describes the same record. A record that failed to open is dropped.
 */
static __always_inline void opened_late(struct conn *c, u64 seq, int err)
{
	u32 was = *(volatile u32 *)&c->rx_state;

	if ((was & RX_STATE) != RX_OPENED || c->rx.rec.seq != seq)
		return;
	if (err)
		rx_claim(c, was);
	else
		c->rx.rec.stamp[2] = stage_time(&c->rx);
}

/*
 * tls_decrypt_done: asynchronous crypto has opened a record, in softirq or in a worker. It
 * is a TLS 1.2 record, because TLS 1.3 records are opened synchronously. Therefore the
 * additional data, which is the first piece of the output, begins with the sequence number
 * (RFC 5246 section 6.2.3.3).
 */
static __always_inline int decryption_ends(u64 *ctx)
{
	const struct crypto_async_request *req = (void *)ctx[0];
	const struct aead_request *aead = (void *)req;
	const struct tls_decrypt_ctx *dctx;
	struct head out;
	int err = ctx[1];
	struct opening *o;
	struct source *s;
	struct event *e;
	struct conn *c;
	u32 zero = 0;
	u64 aad;

	if (err == -EINPROGRESS)
		return 0;
	if (done_is_req)
		aead = BPF_CORE_READ(req, data);
	if (!read_sg(&out, (u64)BPF_CORE_READ(aead, dst))) {
		count_lost(LOST_PAYLOAD_UNREADABLE, DIR_RX);
		return 0;
	}
	aad = page_addr(out.page) + out.first;
	dctx = (void *)(aad - bpf_core_field_offset(struct tls_decrypt_ctx, aad));
	c = conn_lookup((u64)BPF_CORE_READ(dctx, sk));
	o = bpf_map_lookup_elem(&opening, &zero);
	if (!c || !o)
		return 0;
	if (err)
		c->rx_failed = 1;
	if (c->rx.flags & FLAG_HIDDEN)
		return 0;
	if (aggregate)
		opened_late(c, read_seq(aad), err);
	if (err) {
		emit_kernel_failure(&c->rx, read_seq(aad), err, FUNC_DECRYPT_DONE, c->rx.type);
		return 0;
	}
	if (aggregate && c->rx.conn != stream_conn)
		return 0;
	e = &o->e;
	s = &o->from;
	*e = c->rx;
	e->kind = KIND_OPENED;
	e->rec.seq = read_seq(aad);
	e->flags = FLAG_ASYNC;
	e->rec.stamp[1] = 0; /* c->rx may hold another record by now */
	e->rec.stamp[2] = bpf_ktime_get_ns();
	if (needs_plaintext()) {
		__builtin_memset(s, 0, sizeof(*s));
		s->kind = SRC_SG;
		s->base = (u64)BPF_CORE_READ(aead, dst);
		s->at = 1;
		s->wrap = ~0U;
		e->rec.len = read_be16(aad + 11); /* after sequence, type and version */
		e->rec.hits = 0;
		e->rec.sampled = 1; /* sampling never drops records of asynchronous crypto */
		if (match_payload)
			test_plaintext(e, s);
		copy_payload(e, s);
	}
	emit(e);
	return 0;
}

#endif

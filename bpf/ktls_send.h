/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The hooks of records that are sent. */
#ifndef KTLS_SEND_H
#define KTLS_SEND_H

#include "ktls_failure.h"
#include "ktls_plaintext.h"

/* The system call that closes a record tells send from sendfile and splice. */
static __always_inline u8 send_op(u8 flags)
{
	const struct pt_regs *regs;
	const struct pt_regs___arm64 *arm;
	s32 nr;

	if (flags & FLAG_KTHREAD)
		return OP_SEND;
	regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	arm = (void *)regs;
	if (bpf_core_field_exists(arm->syscallno))
		nr = BPF_CORE_READ(arm, syscallno);
	else
		nr = regs->orig_ax;
	if (nr == nr_sendfile)
		return OP_SENDFILE;
	return nr == nr_splice ? OP_SPLICE : OP_SEND;
}


/* A record may be open from an earlier call only if that call could leave one. */
static __always_inline bool has_open_record(const struct conn *c)
{
	const struct tls_sw_context_tx *priv = (void *)c->priv_tx;
	const struct tls_rec *rec = BPF_CORE_READ(priv, open_rec);

	return rec && rec_len(rec);
}

static __always_inline struct sending *sending_of(u32 tid)
{
	u32 key = tid & ((1 << SENDING_BITS) - 1);

	return bpf_map_lookup_elem(&sending, &key);
}

/* Whether a record is the first that its call makes; if so, when it began. */
static __always_inline bool is_first(const struct conn *c, u32 tid, u64 *begun)
{
	struct sending *call = sending_of(tid);

	if (!call || call->tid != tid || call->conn != c->tx.conn || !call->begun)
		return false;
	*begun = call->begun;
	call->begun = 0;
	return true;
}

/*
 * When a record began that is not the first of its call: with the end of the last.
 * But where the kernel can have skipped the begin of the call, the call has to have
 * copied more than this record; else nothing is known.
 */
static __always_inline u64 begin_of_next(const struct conn *c, u32 tid, u32 len, u64 copied)
{
	if (c->call_tid != tid || (preempts && read_word(copied) <= len))
		return 0;
	return c->next_ts;
}

static __always_inline int send_begin(u64 sk, bool more)
{
	struct conn *c = conn_of(sk);
	u32 tid = bpf_get_current_task_btf()->pid;
	struct sending *call;
	u64 begun;

	call = sending_of(tid);
	if (!c || !call)
		return 0;
	begun = c->more && has_open_record(c) ? c->open_ts : bpf_ktime_get_ns();
	call->tid = tid;
	call->conn = c->tx.conn;
	call->begun = begun;
	if (more)
		c->open_ts = begun;
	c->more = more;
	return 0;
}

/* tls_sw_sendmsg(sk, msg, size) */
static __always_inline int sendmsg_begins(u64 *ctx)
{
	const struct msghdr *msg = (void *)ctx[1];

	return send_begin(ctx[0], GIVEN(msg, msg_flags) & MSG_MORE);
}

/* tls_sw_sendpage(sk, page, offset, size, flags) */
static __always_inline int sendpage_begins(u64 *ctx)
{
	return send_begin(ctx[0], ctx[4] & (MSG_MORE | MSG_SENDPAGE_NOTLAST));
}

HOOK("fentry/tls_sw_sendmsg", sendmsg_enter, sendmsg_begins)
HOOK("fentry/tls_sw_sendpage", sendpage_enter, sendpage_begins)

/* The record in c->tx is sealed but waits for TCP, and another one begins. */
static __always_inline void set_aside(struct conn *c)
{
	struct pending_key key = { c->tx.conn, c->tail++ };

	_Static_assert(__builtin_offsetof(struct conn, tx_rec) == __builtin_offsetof(struct waiting, rec), "c begins with a struct waiting");
	if (!bpf_map_update_elem(&pending, &key, c, BPF_ANY))
		return;
	if (c->tx.flags & FLAG_HIDDEN)
		__sync_fetch_and_add(&c->tx.hidden, 1);
	else
		count_lost(LOST_PENDING_MAP_FULL, DIR_TX);
}

/* Sealed records wait before the one in c->tx, whether "pending" has them or not. */
static __always_inline bool others_wait(const struct conn *c) { return c->head != c->tail; }

static __always_inline struct waiting *first_waiting(const struct conn *c)
{
	struct pending_key key = { c->tx.conn, c->head };

	return bpf_map_lookup_elem(&pending, &key);
}

struct finding {
	u64 conn, rec;
	u32 from, found; /* the first number; 1 + how many come before the record, 0: it is not there */
};

static long find_one(u32 i, struct finding *f)
{
	struct pending_key key = { f->conn, f->from + i };
	struct waiting *w = bpf_map_lookup_elem(&pending, &key);

	if (!w || w->rec != f->rec)
		return 0;
	f->found = i + 1;
	return 1;
}

/* The place of a record among those that wait: 1 for the first, 0 where it is not among them. */
static __always_inline u32 place_of(const struct conn *c, u64 rec)
{
	struct finding f = { c->tx.conn, rec, c->head, 0 };

	bpf_loop(c->tail - c->head, find_one, &f, 0);
	return f.found;
}

struct telling {
	struct conn *c;
	u64 now;    /* TCP took the last one; the hooks of those before it were skipped */
	u32 last, flags;
};

static long tell_one(u32 i, struct telling *t)
{
	struct conn *c = t->c;
	struct pending_key key = { c->tx.conn, c->head++ };
	struct waiting *w = bpf_map_lookup_elem(&pending, &key);

	if (!w)
		return 0;
	if (t->now && i == t->last)
		w->e.stamp[3] = t->now;
	else
		w->e.flags |= t->flags;
	emit_record(&w->e, &c->tx.hidden, &c->sampled[DIR_TX]);
	bpf_map_delete_elem(&pending, &key);
	return 0;
}

/* Tell of the first n that wait. flags are FLAG_PUSHED or 0, for those without a time. A global function, see emit_socket. */
__noinline int tell_waiting(struct conn *c, u32 n, u64 now, u32 flags)
{
	struct telling t = { c, now, n - 1, flags };

	if (c)
		bpf_loop(n, tell_one, &t, 0);
	return 0;
}

/* The head of the list of sealed records is the one that goes to TCP. */
static __always_inline u64 head_record(const struct tls_sw_context_tx *priv)
{
	return (u64)BPF_CORE_READ(priv, tx_list.next);
}

static __always_inline bool all_pushed(const struct tls_sw_context_tx *priv)
{
	return head_record(priv) == (u64)priv + bpf_core_field_offset(struct tls_sw_context_tx, tx_list);
}

/* Another record begins and the last one has not been reported. */
static __always_inline void leave_behind(struct conn *c)
{
	if (!all_pushed((void *)c->priv_tx)) {
		set_aside(c);
		return;
	}
	/* TCP has all of them; the hooks that should have told were skipped. */
	tell_waiting(c, c->tail - c->head, 0, FLAG_PUSHED);
	c->tx.flags |= FLAG_PUSHED;
	emit_record(&c->tx, &c->tx.hidden, &c->sampled[DIR_TX]);
}

static __always_inline void source_of_tx(struct conn *c, const struct sk_msg *given)
{
	struct source *s = &c->src[DIR_TX];
	/* By way of the map the verifier forgets that this is a pointer, and allows arithmetic. */
	const struct tls_rec *rec = (void *)*(volatile u64 *)&c->tx_rec;
	const struct sk_msg *msg = &rec->msg_plaintext;

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SG;
	s->base = (u64)&msg->sg.data;
	s->at = bpf_core_field_exists(given->sg.start) ? GIVEN(given, sg.start) : 0;
	s->wrap = bpf_core_field_size(msg->sg.data) / bpf_core_type_size(struct scatterlist) - 1;
}

static __always_inline int verdict_begins(u64 *ctx)
{
	const struct sk_msg *msg = (void *)ctx[0];
	struct conn *c = conn_of_record(ctx[1], DIR_TX);
	u64 rec = ctx[0] - bpf_core_field_offset(struct tls_rec, msg_plaintext);
	struct event *e;
	u32 tid = bpf_get_current_task_btf()->pid, len;
	u64 seq, begun;

	if (!c)
		return 0;
	e = &c->tx;
	seq = read_seq(c->seq_tx);
	len = GIVEN(msg, sg.size);
	if (!is_first(c, tid, &begun)) {
		if (verdict_twin && c->tx_state == TX_SEALING && c->tx_rec == rec && e->seq == seq && e->len == len)
			return 0; /* the other one has seen it */
		begun = begin_of_next(c, tid, len, tx_type_arg == 3 ? ARG(ctx, 4) : ARG(ctx, 3));
	}
	c->next_ts = begun;
	c->call_tid = tid;
	/* A sequence that has not moved: the last attempt sealed nothing. */
	if (c->tx_state == TX_SEALING && e->seq != seq)
		leave_behind(c);
	begin_at(c, DIR_TX, seq);
	c->next[DIR_TX] = seq + 1;
	if (c->closing) /* a writer was still waiting */
		c->end_seq[DIR_TX] = seq + 1;
	e->kind = KIND_RECORD;
	e->type = tx_type_arg == 3 ? ARG(ctx, 3) : ARG(ctx, 2);
	e->err = stage_weight(e, &c->nth[DIR_TX]);
	if (e->type != TYPE_DATA) /* an event */
		e->err = 1;
	e->stamp[0] = begun;
	e->stamp[1] = stage_time(e);
	e->stamp[2] = e->stamp[3] = 0;
	e->seq = seq;
	e->len = len;
	e->hits = e->matched = 0;
	set_maker(e, &c->maker[DIR_TX]);
	if (has_stages(e))
		e->op = send_op(e->flags);
	c->tx_rec = rec;
	c->tx_state = TX_SEALING;
	c->push_rec = 0;
	pick(e, &c->sampled[DIR_TX]);
	if (is_control(e)) {
		source_of_tx(c, msg);
		set_control(e, &c->src[DIR_TX]);
	}
	if (needs_plaintext()) {
		source_of_tx(c, msg);
		take_plaintext(e, &c->src[DIR_TX]);
	}
	return 0;
}

TWIN("fentry/bpf_exec_tx_verdict", verdict_enter, verdict_begins)

/*
 * A record that no hook has seen being sealed: a sockmap verdict that cuts one
 * message into several records (to 6.18), or the kernel skipped the hook. What was
 * sealed before the trace is not ours to tell.
 */
__noinline int adopt_record(struct conn *c, u64 from)
{
	const struct tls_rec *rec = (void *)from;
	struct event *e;
	u64 next;

	if (!c)
		return 0;
	e = &c->tx;
	next = read_seq(c->seq_tx);
	if (!bpf_core_field_exists(rec->content_type) || (__s64)(next - c->next[DIR_TX]) <= 0)
		return 0;
	begin_at(c, DIR_TX, next - 1);
	c->next[DIR_TX] = next;
	e->kind = KIND_RECORD;
	e->stamp[0] = e->stamp[1] = e->stamp[2] = e->stamp[3] = 0;
	e->seq = next - 1;
	e->len = rec_len(rec);
	e->type = BPF_CORE_READ(rec, content_type);
	e->err = 1;
	e->hits = e->matched = 0;
	set_maker(e, &c->maker[DIR_TX]);
	e->op = send_op(e->flags);
	c->tx_rec = from;
	c->tx_state = TX_SEALING;
	pick(e, &c->sampled[DIR_TX]);
	if (wants_payload(e))
		count_lost(LOST_PAYLOAD_UNREADABLE, DIR_TX);
	return 0;
}

static __always_inline void sealed(struct event *e)
{
	if (!e->stamp[2])
		e->stamp[2] = stage_time(e);
}

/* Which record goes to TCP: the first that waits, or else the one just sealed. */
static __always_inline int push_begins(u64 *ctx)
{
	struct conn *c = conn_of_made(ctx[0], DIR_TX);
	struct waiting *w;

	if (!c || c->tx.mode == TLS_HW)
		return 0;
	if (others_wait(c)) {
		c->push_rec = head_record((void *)c->priv_tx);
		w = first_waiting(c);
		if (w && w->rec == c->push_rec)
			sealed(&w->e);
		if (c->tx_state == TX_SEALING && (c->push_rec == c->tx_rec || is_sealed((void *)c->tx_rec)))
			sealed(&c->tx);
		return 0;
	}
	if (c->tx_state == TX_IDLE)
		adopt_record(c, head_record((void *)c->priv_tx));
	if (c->tx_state == TX_SEALING) {
		sealed(&c->tx);
		c->push_rec = c->tx_rec;
	}
	return 0;
}

HOOK("fentry/tls_push_sg", push_enter, push_begins)

/* tls_free_partial_record(sk, ctx): a connection ends, and TCP has not taken all of the record. */
static __always_inline int partial_freed(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (c)
		c->push_rec = 0;
	return 0;
}

HOOK("fentry/tls_free_partial_record", partial_free, partial_freed)

#define LIST_POISON1 0xdead000000000100 /* what list_del leaves behind */

/* A sealed record that is in no list any more: TCP has taken it (tls_tx_records). */
__noinline int is_handed_over(struct conn *c, u64 from)
{
	const struct tls_rec *rec = (void *)from;

	return c && (u64)BPF_CORE_READ(rec, list.next) == LIST_POISON1 && is_sealed(rec);
}

/*
 * sk_msg_free(sk, msg): the kernel lets go the plaintext of a record that TCP has
 * taken. Failures let it go too, and so does the end of a connection; others use the
 * function as well. An entry costs a third less than the return of tls_push_sg.
 */
static __always_inline int message_freed(u64 *ctx)
{
	const struct sock *sk = (void *)ctx[0];
	const struct sk_msg *msg = (void *)ctx[1];
	u64 given = ctx[1] - bpf_core_field_offset(struct tls_rec, msg_plaintext), rec;
	struct conn *c = conn_lookup(ctx[0]);
	bool expected;
	u32 place;
	u64 now;

	if (!c || c->tx.mode == TLS_HW)
		return 0;
	expected = given == c->push_rec;
	if (!expected && c->closing)
		return 0;
	/* By way of the map the verifier forgets that this is a pointer. */
	c->push_rec = given;
	rec = *(volatile u64 *)&c->push_rec;
	/* Where push_enter was skipped, or something went wrong, the record has to be looked at. */
	if ((!expected || GIVEN(sk, sk_err)) && !is_handed_over(c, rec))
		return 0;
	c->push_rec = 0;
	now = bpf_ktime_get_ns();
	if (others_wait(c)) {
		place = place_of(c, rec);
		if (!place && rec == c->tx_rec)
			tell_waiting(c, c->tail - c->head, 0, FLAG_PUSHED);
		else if (place)
			tell_waiting(c, place, now, FLAG_PUSHED);
		else if (!first_waiting(c)) /* it found no room */
			c->head++;
	} else if (c->tx_state == TX_IDLE) {
		adopt_record(c, rec);
	}
	if (!others_wait(c) && c->tx_state == TX_SEALING && rec == c->tx_rec) {
		c->tx.len = GIVEN(msg, sg.size); /* less than when it began, where a sockmap's verdict split it (to 6.18) */
		c->tx.stamp[3] = now;
		c->tx_state = TX_IDLE;
		emit_record(&c->tx, &c->tx.hidden, &c->sampled[DIR_TX]);
	}
	c->next_ts = now;
	return 0;
}

HOOK("fentry/sk_msg_free", msg_free, message_freed)

/* Asynchronous crypto has sealed a record, in softirq or in a worker. */
SEC("fentry/tls_encrypt_done")
int encrypt_done(u64 *ctx)
{
	const struct crypto_async_request *req = (void *)ctx[0];
	struct tls_rec *rec = (void *)req;
	struct pending_key key = {};
	int err = ctx[1];
	struct waiting *w;
	struct event *e;
	struct conn *c;
	u32 place;

	if (err == -EINPROGRESS)
		return 0;
	if (done_is_req)
		rec = (void *)BPF_CORE_READ(req, data) - bpf_core_field_offset(struct tls_rec, aead_req);
	c = conn_lookup((u64)BPF_CORE_READ(rec, sk));
	if (!c)
		return 0;
	e = &c->tx;
	if (c->tx_rec != (u64)rec || c->tx_state != TX_SEALING) {
		place = place_of(c, (u64)rec);
		key.conn = c->tx.conn;
		key.number = c->head + place - 1;
		w = bpf_map_lookup_elem(&pending, &key);
		if (!place || !w)
			return 0;
		e = &w->e;
	}
	if (err) {
		c->tx_failed = 1;
		emit_kernel_failure(e, e->seq, err, FUNC_ENCRYPT_DONE, e->type);
		return 0;
	}
	e->stamp[2] = stage_time(e);
	return 0;
}

#endif

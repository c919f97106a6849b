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

static __always_inline int send_begin(u64 sk, bool more)
{
	struct conn *c = conn_of(sk);

	if (!c)
		return 0;
	if (!c->more || !has_open_record(c))
		c->open_ts = bpf_ktime_get_ns();
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
	struct pending_key key = { c->tx.conn, c->tx_rec };

	if (!bpf_map_update_elem(&pending, &key, &c->tx, BPF_ANY)) {
		c->pending++;
		return;
	}
	c->unkept++;
	if (c->tx.flags & FLAG_HIDDEN)
		__sync_fetch_and_add(&c->tx.hidden, 1);
	else
		count_lost(LOST_PENDING_MAP_FULL, DIR_TX);
}

/* Sealed records wait before the one in c->tx, whether "pending" has them or not. */
static __always_inline bool others_wait(const struct conn *c) { return c->pending || c->unkept; }

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
	if (others_wait(c) || !all_pushed((void *)c->priv_tx)) {
		set_aside(c);
		return;
	}
	/* TCP has it; the hook that should have told was skipped. */
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
	struct event *e;
	u64 seq;

	if (!c || done_by_twin(c, DIR_TX, HOOK_VERDICT))
		return 0;
	e = &c->tx;
	seq = read_seq(c->seq_tx);
	if (!c->key_told[DIR_TX])
		key_missed(c, DIR_TX, seq);
	if (c->closing) /* a writer was still waiting */
		c->end_seq[DIR_TX] = seq + 1;
	/* A sequence that has not moved: the last attempt sealed nothing. */
	if (c->tx_state == TX_SEALING && e->seq != seq)
		leave_behind(c);
	e->kind = KIND_RECORD;
	e->type = tx_type_arg == 3 ? ARG(ctx, 3) : ARG(ctx, 2);
	e->err = stage_weight(e, &c->nth[DIR_TX]);
	if (e->type != TYPE_DATA) /* an event */
		e->err = 1;
	e->stamp[0] = c->open_ts;
	e->stamp[1] = stage_time(e);
	e->stamp[2] = e->stamp[3] = 0;
	e->seq = seq;
	e->len = GIVEN(msg, sg.size);
	e->hits = e->matched = 0;
	set_maker(e, &c->maker[DIR_TX]);
	if (has_stages(e))
		e->op = send_op(e->flags);
	c->tx_rec = (u64)msg - bpf_core_field_offset(struct tls_rec, msg_plaintext);
	c->tx_state = TX_SEALING;
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
 * message into several records (to 6.18), one from before the trace, or the
 * kernel skipped the hook (see TWIN).
 */
static __always_inline void adopt_record(struct conn *c, const struct tls_rec *rec)
{
	struct event *e = &c->tx;

	if (!bpf_core_field_exists(rec->content_type) || read_seq(c->seq_tx) <= e->start) /* sealed before the trace: not ours to tell */
		return;
	e->kind = KIND_RECORD;
	e->stamp[0] = e->stamp[1] = e->stamp[2] = 0;
	e->seq = read_seq(c->seq_tx) - 1;
	e->type = BPF_CORE_READ(rec, content_type);
	e->err = 1;
	e->hits = e->matched = 0;
	set_maker(e, &c->maker[DIR_TX]);
	e->op = send_op(e->flags);
	c->tx_rec = (u64)rec;
	c->tx_state = TX_SEALING;
	pick(e, &c->sampled[DIR_TX]);
	if (wants_payload(e))
		count_lost(LOST_PAYLOAD_UNREADABLE, DIR_TX);
}

static __always_inline void sealed(struct event *e)
{
	if (!e->stamp[2])
		e->stamp[2] = stage_time(e);
}

static __always_inline int push_begins(u64 *ctx)
{
	struct conn *c = conn_of_made(ctx[0], DIR_TX);
	const struct sock *sk = (void *)ctx[0];
	struct pending_key key = {};
	struct event *p;

	if (!c || c->tx.mode == TLS_HW || done_by_twin(c, DIR_TX, HOOK_PUSH_ENTER))
		return 0;
	c->push_rec = others_wait(c) || c->tx_state == TX_IDLE ? head_record((void *)c->priv_tx) : c->tx_rec;
	if (c->tx_state == TX_IDLE && !others_wait(c))
		adopt_record(c, (void *)c->push_rec);
	if (c->push_rec == c->tx_rec && c->tx_state == TX_SEALING) {
		/* Shorter than it began: a sockmap's verdict split it (to 6.18). */
		if (!bpf_core_field_exists(sk->sk_user_data) || GIVEN(sk, sk_user_data))
			c->tx.len = rec_len((void *)c->tx_rec);
		sealed(&c->tx); /* nothing else goes to TCP */
		return 0;
	}
	key.conn = c->tx.conn;
	key.rec = c->push_rec;
	p = bpf_map_lookup_elem(&pending, &key);
	if (p)
		sealed(p);
	if (c->tx_state == TX_SEALING && is_sealed((void *)c->tx_rec))
		sealed(&c->tx);
	return 0;
}

TWIN("fentry/tls_push_sg", push_enter, push_begins)

static __always_inline void finish_pending(struct conn *c, u64 rec, u64 now)
{
	struct pending_key key = { c->tx.conn, rec };
	struct event *p = bpf_map_lookup_elem(&pending, &key);

	if (!p) {
		if (c->unkept)
			c->unkept--;
		return;
	}
	p->stamp[3] = now;
	emit_record(p, &c->tx.hidden, &c->sampled[DIR_TX]);
	bpf_map_delete_elem(&pending, &key);
	c->pending--;
}

/*
 * sk_msg_free(sk, msg): the kernel lets go the plaintext of a record that TCP has
 * taken. Failures let go others than the one that was about to be handed over. An
 * entry costs a third less than the return of tls_push_sg.
 */
static __always_inline int message_freed(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	u64 rec = ctx[1] - bpf_core_field_offset(struct tls_rec, msg_plaintext);
	u64 now;

	if (!c || !c->push_rec || rec != c->push_rec)
		return 0;
	c->push_rec = 0;
	now = bpf_ktime_get_ns();
	if (rec == c->tx_rec && c->tx_state == TX_SEALING) {
		c->tx.stamp[3] = now;
		c->tx_state = TX_IDLE;
		emit_record(&c->tx, &c->tx.hidden, &c->sampled[DIR_TX]);
	} else {
		finish_pending(c, rec, now);
	}
	c->open_ts = now; /* what follows in the same call is the next record */
	return 0;
}

/* Done again it finds nothing to do: the twin needs no mark. */
TWIN("fentry/sk_msg_free", msg_free, message_freed)

/* Asynchronous crypto has sealed a record, in softirq or in a worker. */
SEC("fentry/tls_encrypt_done")
int encrypt_done(u64 *ctx)
{
	const struct crypto_async_request *req = (void *)ctx[0];
	struct pending_key key = {};
	struct tls_rec *rec = (void *)req;
	int err = ctx[1];
	struct event *e;
	struct conn *c;

	if (err == -EINPROGRESS)
		return 0;
	if (done_is_req)
		rec = (void *)BPF_CORE_READ(req, data) - bpf_core_field_offset(struct tls_rec, aead_req);
	c = conn_lookup((u64)BPF_CORE_READ(rec, sk));
	if (!c)
		return 0;
	e = &c->tx;
	if (c->tx_rec != (u64)rec || c->tx_state != TX_SEALING) {
		key.conn = c->tx.conn;
		key.rec = (u64)rec;
		e = bpf_map_lookup_elem(&pending, &key);
	}
	if (!e)
		return 0;
	if (err) {
		c->tx_failed = 1;
		emit_kernel_failure(e, e->seq, err, FUNC_ENCRYPT_DONE, e->type);
		return 0;
	}
	e->stamp[2] = stage_time(e);
	return 0;
}


#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ktlstop's programs: they watch the kernel's TLS code (net/tls) seal and open
 * records and tell user space of each. A record's way through the hooks:
 *
 *   send  tls_sw_sendmsg, tls_sw_sendpage  first byte of a record
 *         bpf_exec_tx_verdict              sealing begins
 *         tls_encrypt_done                 sealed (asynchronous crypto)
 *         tls_push_sg                      sealed (synchronous); at its exit handed to TCP
 *   recv  tls_rx_msg_ready                 a whole record is there
 *         tls_rx_one_record                taken up; at its exit opened
 *         tls_sw_recvmsg and its kin       the call returns
 *
 * The kernel holds the socket's lock from bpf_exec_tx_verdict to tls_push_sg and
 * in tls_rx_one_record, and lets one reader in at a time: one event in the making
 * per direction is enough. Entries of send calls, returns of receive calls and
 * completions of asynchronous crypto come without the lock.
 */
#include "ktls_kernel.h"
#include "ktls_event.h"
#include "ktls_conn.h"
#include "ktls_payload.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#ifdef KTLSTOP_KPROBE
#include "ktls_kprobe_copy.h"
#else
DEFINE_COPY(256, 256)
DEFINE_COPY(2048, 1024)
DEFINE_COPY(16384, 4096)

/* The reservation's size must be a constant, so there are three of them. */
#define COPY(CAP, STEP, e, s) do {                                                    \
	struct payload *p = bpf_ringbuf_reserve(&payloads, sizeof(*p) + CAP + STEP, 0); \
	if (!p) {                                                                     \
		count_lost(LOST_PAYLOAD_RING_FULL);                                   \
		return;                                                               \
	}                                                                             \
	c.from = s;                                                                   \
	c.to = p;                                                                     \
	bpf_loop(COPY_STEPS, copy_step_##CAP, &c, 0);                                 \
	if ((s)->bad) {                                                               \
		bpf_ringbuf_discard(p, BPF_RB_NO_WAKEUP);                             \
		count_lost(LOST_PAYLOAD_UNREADABLE);                                  \
		return;                                                               \
	}                                                                             \
	p->conn = (e)->conn;                                                          \
	p->seq = (e)->seq;                                                            \
	p->begun = (e)->stamp[1];                                                     \
	p->gen = (e)->gen;                                                            \
	p->len = (s)->done;                                                           \
	p->dir = (e)->dir;                                                            \
	__builtin_memset(p->pad, 0, sizeof(p->pad));                                  \
	bpf_ringbuf_submit(p, BPF_RB_NO_WAKEUP);                                      \
	(e)->flags |= FLAG_PAYLOAD;                                                   \
} while (0)

static __noinline void copy_payload_to_ring(struct event *e, struct source *s)
{
	struct copy c;

	if (s->want <= 256)
		COPY(256, 256, e, s);
	else if (s->want <= 2048)
		COPY(2048, 1024, e, s);
	else
		COPY(16384, 4096, e, s);
}

#endif

static __always_inline bool wants_payload(const struct event *e)
{
	return snaplen && !(e->flags & FLAG_HIDDEN) && (!aggregate || e->conn == stream_conn) && !plaintext_left_out(e);
}

static __always_inline void copy_payload(struct event *e, struct source *s)
{
	if (!e->len || !wants_payload(e))
		return;
	s->want = e->len < snaplen ? e->len : snaplen;
	copy_payload_to_ring(e, s);
}

#ifndef KTLSTOP_KPROBE
/* Sets the event's hits. s stays as it is. */
static __noinline void look_at(struct event *e, struct source *s)
{
	struct look *l = look_get();
	struct copy c;

	if (!l) {
		count_lost(LOST_PAYLOAD_UNREADABLE);
		return;
	}
	l->src = *s;
	l->src.want = e->len < MATCH_WINDOW ? e->len : MATCH_WINDOW;
	c.from = &l->src;
	c.to = (void *)l->head;
	bpf_loop(COPY_STEPS, copy_step_256, &c, 0);
	if (l->src.bad)
		count_lost(LOST_PAYLOAD_UNREADABLE);
	else
		e->hits = look_hits(l);
	l->busy = 0;
}

/* Whether the expression can still hold, by what is known before the record leaves. */
static __always_inline bool may_match(struct event *e, struct source *s)
{
	if (!matching || (e->flags & FLAG_HIDDEN))
		return true;
	if (!match_event(e, MATCH_HEAD))
		return false;
	if (!match_payload)
		return true;
	look_at(e, s);
	return match_event(e, MATCH_PLAINTEXT);
}
#else
static __always_inline bool may_match(struct event *e, struct source *s) { return true; }
#endif

/* Look at the plaintext, and copy it if it is wanted. */
static __always_inline void take_plaintext(struct event *e, struct source *s)
{
	if (may_match(e, s))
		copy_payload(e, s);
}

static __always_inline bool needs_plaintext(void) { return snaplen || match_payload; }

static __always_inline bool is_control(const struct event *e)
{
	return can_read_plaintext && (e->type == TYPE_ALERT || e->type == TYPE_HANDSHAKE);
}

/* The first two bytes of an alert or a handshake record name it. */
static __always_inline void set_control(struct event *e, struct source *s)
{
	u32 need = e->type == TYPE_ALERT ? 2 : 1; /* level and description; message type */

	e->ctl[0] = e->ctl[1] = 0;
	if (e->len < need)
		return;
	next_piece(s);
	if (!s->left)
		next_piece(s);
	/* A record of two bytes in two pieces stays unnamed. */
	if (s->left >= need && !read_piece(e->ctl, need, s))
		e->flags |= FLAG_CONTROL;
}

/* Report that the kernel's TLS code failed in a call; like is an event of the connection and direction. */
static __noinline void emit_failure(const struct event *like, u64 seq, int err, u8 func)
{
	struct event e = *like;

	e.kind = KIND_ERROR;
	e.seq = seq;
	e.err = -err;
	e.func = func;
	e.flags = 0;
	e.stamp[3] = bpf_ktime_get_ns();
	set_process(&e);
	if (!(e.flags & FLAG_HIDDEN))
		emit(&e);
}

/*
 * The same where no call is to blame: in softirq the present task is anybody.
 * Whether it is wanted, the last call on the connection decides.
 */
static __noinline void emit_kernel_failure(const struct event *like, u64 seq, int err, u8 func, u8 type)
{
	struct event e = *like;

	if ((e.flags & FLAG_HIDDEN) || !conn_wanted(&e) || (want_dir && want_dir != 1U + e.dir))
		return;
	e.kind = KIND_ERROR;
	e.seq = seq;
	e.err = -err;
	e.func = func;
	e.type = type;
	e.flags = 0;
	e.stamp[3] = bpf_ktime_get_ns();
	e.pid = e.tid = e.uid = 0;
	e.cgroup = 0;
	__builtin_memset(e.comm, 0, sizeof(e.comm));
	emit(&e);
}

/* A record where no key was seen: both hooks of its key were skipped, see TWIN. The direction begins with it. */
static __noinline void key_missed(struct conn *c, u8 dir, u64 seq)
{
	set_keys(c);
	if (dir == DIR_TX)
		c->tx.start = seq;
	else
		c->rx.start = seq;
	emit_socket(c, STATE_OPEN, dir, 0);
}

/* ---- send ---- */

#ifndef KTLSTOP_KPROBE
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

#endif

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

	if (bpf_map_update_elem(&pending, &key, &c->tx, BPF_ANY))
		count_lost(LOST_PENDING_MAP_FULL);
	else
		c->pending++;
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
	if (c->pending || !all_pushed((void *)c->priv_tx)) {
		set_aside(c);
		return;
	}
	/* TCP has it; the hook that should have told was skipped. */
	c->tx.flags |= FLAG_PUSHED;
	emit_record(&c->tx, &c->tx.hidden, &c->sampled[DIR_TX]);
}

static __always_inline void source_of_tx(struct conn *c)
{
	struct source *s = &c->src[DIR_TX];
	/* By way of the map the verifier forgets that this is a pointer, and allows arithmetic. */
	const struct tls_rec *rec = (void *)*(volatile u64 *)&c->tx_rec;
	const struct sk_msg *msg = &rec->msg_plaintext;

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SG;
	s->base = (u64)&msg->sg.data;
	s->at = bpf_core_field_exists(msg->sg.start) ? BPF_CORE_READ(msg, sg.start) : 0;
	s->wrap = bpf_core_field_size(msg->sg.data) / bpf_core_type_size(struct scatterlist) - 1;
}

static __always_inline int verdict_begins(u64 *ctx)
{
	const struct sk_msg *msg = (void *)ctx[0];
	struct conn *c = conn_of(ctx[1]);
	struct event *e;
	u64 seq;

	if (!c || done_by_twin(c, DIR_TX, HOOK_VERDICT))
		return 0;
	e = &c->tx;
	seq = read_seq(c->seq_tx);
	if (!e->mode)
		key_missed(c, DIR_TX, seq);
	if (c->closing) /* a writer was still waiting */
		c->end_seq[DIR_TX] = seq + 1;
	/* A sequence that has not moved: the last attempt sealed nothing. */
	if (c->tx_state == TX_SEALING && e->seq != seq)
		leave_behind(c);
	e->kind = KIND_RECORD;
	e->stamp[0] = c->open_ts;
	e->stamp[1] = bpf_ktime_get_ns();
	e->stamp[2] = e->stamp[3] = 0;
	e->seq = seq;
	e->type = tx_type_arg == 3 ? ARG(ctx, 3) : ARG(ctx, 2);
	e->len = GIVEN(msg, sg.size);
	e->flags = 0;
	e->hits = e->matched = 0;
	set_process(e);
	e->op = send_op(e->flags);
	c->tx_rec = (u64)msg - bpf_core_field_offset(struct tls_rec, msg_plaintext);
	c->tx_state = TX_SEALING;
	pick(e, &c->sampled[DIR_TX]);
	if (is_control(e)) {
		source_of_tx(c);
		set_control(e, &c->src[DIR_TX]);
	}
	if (needs_plaintext()) {
		source_of_tx(c);
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
	e->flags = 0;
	e->hits = e->matched = 0;
	set_process(e);
	e->op = send_op(e->flags);
	c->tx_rec = (u64)rec;
	c->tx_state = TX_SEALING;
	pick(e, &c->sampled[DIR_TX]);
	if (wants_payload(e))
		count_lost(LOST_PAYLOAD_UNREADABLE);
}

static __always_inline int push_begins(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	struct pending_key key = {};
	struct event *p;
	u64 now;

	if (!c || c->tx.mode == TLS_HW || done_by_twin(c, DIR_TX, HOOK_PUSH_ENTER))
		return 0;
	now = bpf_ktime_get_ns();
	c->push_rec = c->pending || c->tx_state == TX_IDLE ? head_record((void *)c->priv_tx) : c->tx_rec;
	if (c->tx_state == TX_IDLE && !c->pending)
		adopt_record(c, (void *)c->push_rec);
	if (c->push_rec == c->tx_rec && c->tx_state == TX_SEALING) {
		/* Shorter than it began: the kernel split it (to 6.18). */
		c->tx.len = rec_len((void *)c->tx_rec);
		if (!c->tx.stamp[2]) /* only what is sealed goes to TCP */
			c->tx.stamp[2] = now;
		return 0;
	}
	key.conn = c->tx.conn;
	key.rec = c->push_rec;
	p = bpf_map_lookup_elem(&pending, &key);
	if (p && !p->stamp[2])
		p->stamp[2] = now;
	if (c->tx_state == TX_SEALING && !c->tx.stamp[2] && is_sealed((void *)c->tx_rec))
		c->tx.stamp[2] = now;
	return 0;
}

TWIN("fentry/tls_push_sg", push_enter, push_begins)

static __always_inline void finish_pending(struct conn *c, u64 rec, u64 now)
{
	struct pending_key key = { c->tx.conn, rec };
	struct event *p = bpf_map_lookup_elem(&pending, &key);

	if (!p)
		return;
	p->stamp[3] = now;
	emit_record(p, &c->tx.hidden, &c->sampled[DIR_TX]);
	bpf_map_delete_elem(&pending, &key);
	c->pending--;
}

/* tls_push_sg(sk, ctx, sg, first_offset, flags) */
static __always_inline int push_ends(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	int ret = ctx[5];
	u64 now;

	if (!c || done_by_twin(c, DIR_TX, HOOK_PUSH_EXIT) || !c->push_rec || ret)
		return 0;
	now = bpf_ktime_get_ns();
	if (c->push_rec == c->tx_rec && c->tx_state == TX_SEALING) {
		c->tx.stamp[3] = now;
		c->tx_state = TX_IDLE;
		emit_record(&c->tx, &c->tx.hidden, &c->sampled[DIR_TX]);
	} else {
		finish_pending(c, c->push_rec, now);
	}
	c->push_rec = 0;
	c->open_ts = now; /* what follows in the same call is the next record */
	return 0;
}

TWIN("fexit/tls_push_sg", push_exit, push_ends)

#ifndef KTLSTOP_KPROBE
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
	e->stamp[2] = bpf_ktime_get_ns();
	return 0;
}

#endif

/* ---- receive ---- */

/* tls_rx_msg_ready(strp) */
static __always_inline int record_ready(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];
	struct conn *c = conn_lookup((u64)GIVEN(strp, sk));

	if (c && !c->ready_ts)
		c->ready_ts = bpf_ktime_get_ns();
	return 0;
}

/* tls_rx_msg_maybe_announce(strp), tls_strp_check_rcv(strp) */
static __always_inline int record_announced(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];

	return GIVEN(strp, msg_ready) ? record_ready(ctx) : 0;
}

/* Done twice they say the same: the twins of these need no mark. */
TWIN("fentry/tls_rx_msg_ready", msg_ready, record_ready)

/* From 7.2; called also when there is nothing to announce. */
TWIN("fentry/tls_rx_msg_maybe_announce", msg_announce, record_announced)

/* From 7.2: a reader that finds the next record by itself announces nothing. */
TWIN("fexit/tls_strp_check_rcv", msg_parsed, record_announced)

/* A record's header that cannot be one (tls_rx_msg_size) ends the connection. */
static __always_inline int parser_aborts(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];
	struct conn *c = conn_lookup((u64)GIVEN(strp, sk));
	int err = ctx[1];

	if (!c || c->rx_failed)
		return 0;
	c->rx_failed = 1;
	/* c->rx may still be the good record before, and keeps its type. */
	emit_kernel_failure(&c->rx, read_seq(c->seq_rx), err, FUNC_STRP_ABORT_STRP, outer_type((void *)c->priv_rx));
	return 0;
}

HOOK("fentry/tls_strp_abort_strp", abort_strp, parser_aborts)

/* The direct path puts the plaintext into the reader's memory; its iterator moves on meanwhile. */
static __always_inline void remember_reader(struct conn *c, const struct msghdr *msg)
{
	struct source *s = &c->src[DIR_RX];
	const struct iov_iter *i = &msg->msg_iter;
	u8 type = BPF_CORE_READ(i, iter_type);

	__builtin_memset(s, 0, sizeof(*s));
	s->skip = BPF_CORE_READ(i, iov_offset);
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		s->kind = SRC_UBUF;
		s->base = (u64)BPF_CORE_READ(i, ubuf);
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		s->kind = SRC_IOVEC;
		s->base = (u64)iter_iov(i);
	} else {
		s->kind = SRC_BVEC;
		s->base = bpf_core_field_exists(i->bvec) ? (u64)BPF_CORE_READ(i, bvec) : 0;
	}
}

/* The record seq is in the making from now on; begun is 0 where that was not seen. A global function, see emit_socket. */
__noinline int take_up(struct conn *c, u64 seq, u64 begun, u32 op)
{
	bool late = false;
	u32 was, opening;
	struct event *e;

	if (!c)
		return 0;
	e = &c->rx;
	was = *(volatile u32 *)&c->rx_state;
	opening = ((was & ~RX_STATE) + RX_TICKET) | RX_OPENING;
	if ((was & RX_STATE) == RX_OPENED && __sync_val_compare_and_swap(&c->rx_state, was, opening) == was) {
		late = is_current(e);
		if (aggregate && late)
			wait_for_return(e, !c->rx_late, !is_hidden(e));
		e->flags |= FLAG_RETURN_LATER;
		emit_record(e, &e->hidden, &c->sampled[DIR_RX]);
	}
	c->rx_late = late;
	if (!e->mode)
		key_missed(c, DIR_RX, seq);
	else if (e->version == TLS_1_3)
		set_no_pad(c);
	e->kind = KIND_RECORD;
	e->stamp[0] = c->ready_ts && begun ? c->ready_ts : begun;
	e->stamp[1] = begun;
	e->stamp[2] = e->stamp[3] = 0;
	e->seq = seq;
	e->op = op;
	e->flags = 0;
	e->hits = e->matched = 0;
	set_process(e);
	c->rx_hidden = e->flags & FLAG_HIDDEN;
	c->rx_state = opening;
	c->rx_failed = 0;
	c->ready_ts = 0;
	return 0;
}

/* tls_rx_one_record(sk, msg, darg) */
static __always_inline int open_begins(u64 *ctx)
{
	const struct msghdr *msg = (void *)ctx[1];
	struct conn *c = conn_of(ctx[0]);

	if (!c || done_by_twin(c, DIR_RX, HOOK_OPEN_ENTER))
		return 0;
	take_up(c, read_seq(c->seq_rx), bpf_ktime_get_ns(), msg ? OP_RECV : OP_SPLICE_READ);
	if (needs_plaintext() && msg)
		remember_reader(c, msg);
	return 0;
}

TWIN("fentry/tls_rx_one_record", open_enter, open_begins)

static __always_inline void source_of_skb(struct conn *c, const struct sk_buff *skb)
{
	struct source *s = &c->src[DIR_RX];
	const struct skb_shared_info *info = (void *)BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end);

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SKB;
	s->skb = bpf_core_field_exists(skb->data_len) ? (u64)skb : 0;
	s->base = (u64)&info->frags;
	s->skip = BPF_CORE_READ(skb_cb(skb), strp.strp.offset);
}

/* The reader's memory was not seen, and is told as unreadable. */
static __always_inline void forget_reader(struct conn *c)
{
	struct source *s = &c->src[DIR_RX];

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_UBUF;
}

/*
 * Whether a record was opened that is not the one in the making: the hooks that
 * should have seen it begin were skipped, see TWIN. The kernel has counted it.
 */
static __always_inline bool begin_missed(const struct conn *c)
{
	u64 next = read_seq(c->seq_rx);

	/* What was opened before the trace is not ours to tell. */
	return next > c->rx.start && (c->rx.kind != KIND_RECORD || c->rx.seq + 1 != next);
}

/* Done again it finds nothing to do: its copies need no mark. */
static __always_inline int open_ends(u64 *ctx)
{
	const struct tls_decrypt_arg *darg = (void *)ctx[2];
	struct conn *c = conn_lookup(ctx[0]);
	const struct sk_buff *skb;
	struct event *e;
	int ret = ctx[3];

	if (!c)
		return 0;
	if ((c->rx_state & RX_STATE) != RX_OPENING) {
		if (ret < 0 || !begin_missed(c))
			return 0;
		take_up(c, read_seq(c->seq_rx) - 1, 0, ctx[1] ? OP_RECV : OP_SPLICE_READ);
		forget_reader(c);
	}
	c->mark[DIR_RX] = HOOK_NONE;
	e = &c->rx;
	if (ret < 0) {
		c->rx_state &= ~RX_STATE;
		c->rx_failed = 1;
		e->type = outer_type((void *)c->priv_rx);
		emit_failure(e, e->seq, ret, FUNC_RX_ONE_RECORD);
		return 0;
	}
	skb = GIVEN(darg, skb);
	e->len = GIVEN(skb_cb(skb), strp.strp.full_len);
	e->type = GIVEN(skb_cb(skb), tls.control);
	if (GIVEN(darg, zc))
		e->flags |= FLAG_ZEROCOPY;
	pick(e, &c->sampled[DIR_RX]);
	c->rx_state ^= RX_OPENING ^ RX_OPENED;
	if (bpf_core_field_exists(darg->async) && GIVEN(darg, async)) { /* decrypt_done has the rest */
		e->flags |= FLAG_ASYNC;
		return 0;
	}
	e->stamp[2] = bpf_ktime_get_ns();
	if (is_control(e)) {
		source_of_skb(c, skb);
		set_control(e, &c->src[DIR_RX]);
	}
	if (needs_plaintext()) {
		if (!(e->flags & FLAG_ZEROCOPY))
			source_of_skb(c, skb);
		take_plaintext(e, &c->src[DIR_RX]);
	}
	return 0;
}

/* Nothing makes up for this one, so it has three copies. */
TWIN("fexit/tls_rx_one_record", open_exit, open_ends)
TWIN2("fexit/tls_rx_one_record", open_exit, open_ends)

/* Whether this task is the one to tell of the record that was opened. */
static __always_inline bool rx_taken(struct conn *c, u32 was)
{
	return __sync_val_compare_and_swap(&c->rx_state, was, was & ~RX_STATE) == was;
}

#ifndef KTLSTOP_KPROBE
/* Dashboard mode: add the record of this return up. */
static __always_inline int add_return(struct conn *c, u32 was, u64 now, u8 op)
{
	struct event e = c->rx;
	bool late = c->rx_late;

	e.stamp[3] = now;
	e.op = op;
	if (!rx_taken(c, was))
		return 0;
	if (late)
		all_returned(&e);
	emit_record(&e, &c->rx.hidden, &c->sampled[DIR_RX]);
	return 0;
}

/* Whether the record of this return is told. A copy is asked about: the answer is left in it. */
static __always_inline bool return_stays(struct conn *c, u64 now, u8 op, u8 *matched, bool *skipped)
{
	struct event e = c->rx;

	e.stamp[3] = now;
	e.op = op;
	if (matching && !match_record(&e))
		return false;
	*matched = e.matched;
	*skipped = left_out(&e, &c->sampled[DIR_RX]);
	return !*skipped;
}

/*
 * Another reader may take c->rx over right now, and this task may be taken off
 * the processor anywhere. Only who changes the state tells of the record, and its
 * place in the ring is taken before: what is opened afterwards comes behind it.
 */
static __always_inline int call_returns(u64 sk, u8 op)
{
	struct conn *c = conn_lookup(sk);
	struct event *place = 0;
	bool skipped = false;
	u64 now, used;
	u8 matched;
	u32 was;

	if (!c)
		return 0;
	was = *(volatile u32 *)&c->rx_state;
	if ((was & RX_STATE) != RX_OPENED || !is_current(&c->rx))
		return 0;
	now = bpf_ktime_get_ns();
	if (aggregate)
		return add_return(c, was, now, op);
	matched = c->rx.matched;
	if ((c->rx.flags & FLAG_HIDDEN) || ((matching || sampling) && !return_stays(c, now, op, &matched, &skipped))) {
		/* Before another reader's record can leave without it. */
		__sync_fetch_and_add(&c->rx.hidden, 1);
		if (!rx_taken(c, was))
			__sync_fetch_and_add(&c->rx.hidden, -1);
		else if (skipped)
			skip(&c->sampled[DIR_RX]);
		return 0;
	}
	used = ring_used();
	if (has_room(&c->rx, used))
		place = bpf_ringbuf_reserve(&events, sizeof(*place), 0);
	if (place) {
		*place = c->rx;
		place->stamp[3] = now;
		place->op = op;
		place->matched = matched;
	}
	if (!rx_taken(c, was)) {
		if (place)
			bpf_ringbuf_discard(place, BPF_RB_NO_WAKEUP);
		return 0;
	}
	if (place) {
		stand_for(place, &c->sampled[DIR_RX]);
		bpf_ringbuf_submit(place, wakeup(used));
	} else {
		count_lost(LOST_RING_FULL);
	}
	return 0;
}

#endif

static __always_inline int recvmsg_returns(u64 *ctx)
{
	int ret = recvmsg_args == 5 ? ARG(ctx, 5) : ARG(ctx, 4);
	struct conn *c;

	/* The peer has changed its key and nobody has told the kernel (from 6.14). */
	if (ret == -EKEYEXPIRED) {
		c = conn_lookup(ctx[0]);
		if (c && !done_by_twin(c, DIR_RX, HOOK_RETURN))
			emit_failure(&c->rx, read_seq(c->seq_rx), ret, FUNC_RECVMSG);
	}
	return call_returns(ctx[0], OP_RECV);
}

static __always_inline int splice_read_returns(u64 *ctx)
{
	const struct socket *sock = (void *)ctx[0];

	return call_returns((u64)BPF_CORE_READ(sock, sk), OP_SPLICE_READ);
}

static __always_inline int read_sock_returns(u64 *ctx)
{
	return call_returns(ctx[0], OP_READ_SOCK);
}

TWIN("fexit/tls_sw_recvmsg", recvmsg_exit, recvmsg_returns)
TWIN("fexit/tls_sw_splice_read", splice_read_exit, splice_read_returns)
TWIN("fexit/tls_sw_read_sock", read_sock_exit, read_sock_returns)

#ifndef KTLSTOP_KPROBE
/*
 * Dashboard mode: what asynchronous crypto says of the record seq belongs into
 * the event in the making, if it still is that record's. One that could not be
 * opened is none.
 */
static __always_inline void opened_late(struct conn *c, u64 seq, int err)
{
	u32 was = *(volatile u32 *)&c->rx_state;

	if ((was & RX_STATE) != RX_OPENED || c->rx.seq != seq)
		return;
	if (err)
		rx_taken(c, was);
	else
		c->rx.stamp[2] = bpf_ktime_get_ns();
}

/*
 * Asynchronous crypto has opened a record, in softirq or in a worker. It is
 * TLS 1.2 (TLS 1.3 is opened synchronously), so that the additional data, the
 * first piece of the output, begins with the sequence (RFC 5246 section 6.2.3.3).
 */
SEC("fentry/tls_decrypt_done")
int decrypt_done(u64 *ctx)
{
	const struct crypto_async_request *req = (void *)ctx[0];
	const struct aead_request *aead = (void *)req;
	const struct tls_decrypt_ctx *dctx;
	int err = ctx[1];
	struct source *s;
	struct event e;
	struct conn *c;
	u32 zero = 0;
	u64 aad;

	if (err == -EINPROGRESS)
		return 0;
	if (done_is_req)
		aead = BPF_CORE_READ(req, data);
	aad = sg_addr(BPF_CORE_READ(aead, dst));
	dctx = (void *)(aad - bpf_core_field_offset(struct tls_decrypt_ctx, aad));
	c = conn_lookup((u64)BPF_CORE_READ(dctx, sk));
	s = bpf_map_lookup_elem(&async_source, &zero);
	if (!c || !s || c->rx_hidden)
		return 0;
	if (aggregate)
		opened_late(c, read_seq(aad), err);
	if (err) {
		c->rx_failed = 1;
		emit_kernel_failure(&c->rx, read_seq(aad), err, FUNC_DECRYPT_DONE, c->rx.type);
		return 0;
	}
	if (aggregate && c->rx.conn != stream_conn)
		return 0;
	e = c->rx;
	e.kind = KIND_OPENED;
	e.seq = read_seq(aad);
	e.flags = FLAG_ASYNC;
	e.stamp[1] = 0; /* c->rx may be another record by now */
	e.stamp[2] = bpf_ktime_get_ns();
	if (needs_plaintext()) {
		__builtin_memset(s, 0, sizeof(*s));
		s->kind = SRC_SG;
		s->base = (u64)BPF_CORE_READ(aead, dst);
		s->at = 1;
		s->wrap = ~0U;
		e.len = read_be16(aad + 11); /* behind sequence, type and version */
		e.hits = 0;
		e.state = PICKED; /* no record of asynchronous crypto is left out */
		if (match_payload)
			look_at(&e, s);
		copy_payload(&e, s);
	}
	emit(&e);
	return 0;
}

#endif

/* ---- life of a connection ---- */

static __always_inline int key_set(u64 sk, u8 dir, bool update, int ret)
{
	struct tls_context *ctx = tls_ctx_of((void *)sk);
	struct conn *c = conn_find(sk);

	if (ret || !ctx)
		return 0;
	if (c && c->ctx != (u64)ctx) { /* of an earlier socket at this address */
		if (aggregate)
			close_stats(c->rx.conn);
		conn_delete(sk);
		c = 0;
	}
	c = if_wanted(c ? c : conn_new(sk, ctx));
	/* Both directions get their keys at once: one mark for both would hide the second if a twin misses both calls. */
	if (!c || done_by_twin(c, 2, dir == DIR_TX ? HOOK_KEY_TX : HOOK_KEY_RX))
		return 0;
	set_keys(c);
	c->keyed[dir & 1] = 1;
	/* The kernel writes tx_conf and rx_conf only after this function. */
	if (dir == DIR_TX) {
		if (update && c->tx_state == TX_SEALING) { /* of the old key, still on its way */
			leave_behind(c);
			c->tx_state = TX_IDLE;
		}
		c->tx.mode = TLS_SW;
		c->tx.gen += update;
		c->tx.start = read_seq(c->seq_tx);
	} else {
		c->rx.mode = TLS_SW;
		c->rx.gen += update;
		c->rx.start = read_seq(c->seq_rx);
	}
	emit_socket(c, update ? STATE_REKEY : STATE_OPEN, dir, 0);
	return 0;
}

static __always_inline int sw_offload_ends(u64 *ctx)
{
	bool tx = (u32)(set_tx_arg == 1 ? ARG(ctx, 1) : ARG(ctx, 2));
	bool update = false;
	int ret;

	if (set_update_arg) {        /* (sk, tx, new_crypto_info) */
		update = ARG(ctx, 2) != 0;
		ret = ARG(ctx, 3);
	} else if (set_tx_arg == 2) {/* (sk, ctx, tx) */
		ret = ARG(ctx, 3);
	} else {                     /* (sk, tx) */
		ret = ARG(ctx, 2);
	}
	return key_set(ctx[0], tx ? DIR_TX : DIR_RX, update, ret);
}

TWIN("fexit/tls_set_sw_offload", set_sw_offload, sw_offload_ends)

/* What is sealed and was never handed over is still a record. */
static __always_inline void flush_tx(struct conn *c)
{
	if (c->tx_state == TX_SEALING && (__s64)(c->end_seq[DIR_TX] - c->tx.seq) > 0)
		emit_record(&c->tx, &c->tx.hidden, &c->sampled[DIR_TX]);
	c->tx_state = TX_IDLE;
}

#ifndef KTLSTOP_KPROBE
struct flush_arg { struct conn *c; u64 id; };

static long flush_pending(void *map, struct pending_key *key, struct event *e, struct flush_arg *arg)
{
	if (key->conn != arg->id)
		return 0;
	emit_record(e, &arg->c->tx.hidden, &arg->c->sampled[DIR_TX]);
	bpf_map_delete_elem(map, key);
	return 0;
}

static __always_inline void flush_set_aside(struct conn *c)
{
	struct flush_arg arg = { c, c->tx.conn };

	bpf_for_each_map_elem(&pending, flush_pending, &arg, 0);
	c->pending = 0;
}
#endif

static __always_inline int release_ends(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (!c)
		return 0;
	if (c->pending)
		flush_set_aside(c);
	flush_tx(c);
	return 0;
}

TWIN("fexit/tls_sw_release_resources_tx", release_tx, release_ends)

/* The last point where the sequences are there: 6.1 frees them before it sends what is left. */
static __always_inline int close_begins(u64 *ctx)
{
	struct conn *c = conn_find(ctx[0]);

	if (!c || c->closing)
		return 0;
	c->end_seq[DIR_TX] = read_seq(c->seq_tx);
	c->end_seq[DIR_RX] = read_seq(c->seq_rx);
	c->closing = 1;
	return 0;
}

TWIN("fentry/tls_sk_proto_close", close_enter, close_begins)

static __always_inline int free_begins(u64 *ctx)
{
	u64 key = ctx[0];
	struct conn *c = conn_find(key);

	if (!c || !c->closing || c->ctx != ctx[1])
		return 0;
	if ((c->rx_state & RX_STATE) == RX_OPENED)
		emit_record(&c->rx, &c->rx.hidden, &c->sampled[DIR_RX]);
	if (aggregate)
		close_stats(c->rx.conn);
	emit_socket(c, STATE_CLOSE, 0, 0);
	conn_delete(key);
	return 0;
}

TWIN("fentry/tls_ctx_free", ctx_free, free_begins)

/* A connection that a network card seals is freed later, without its socket. */
static __always_inline int close_ends(u64 *ctx)
{
	u64 sk = ctx[0];
	struct conn *c = conn_find(sk);

	if (!c || !c->closing || (c->tx.mode != TLS_HW && c->rx.mode != TLS_HW))
		return 0;
	if (aggregate)
		close_stats(c->rx.conn);
	emit_socket(c, STATE_CLOSE, 0, 0);
	conn_delete(sk);
	return 0;
}

HOOK("fexit/tls_sk_proto_close", close_exit, close_ends)

/* Where a TCP that refuses a record ends the connection, tls_push_sg was the last hook. */
static __always_inline u64 failed_seq(struct conn *c)
{
	struct pending_key key = { c->tx.conn, c->push_rec };
	const struct event *e = 0;

	if (c->push_rec && c->push_rec != c->tx_rec)
		e = bpf_map_lookup_elem(&pending, &key);
	return e ? e->seq : c->tx.seq;
}

/* Failures to receive have been told where they happen. */
static __always_inline int abort_begins(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	int err = ctx[1];

	if (!c || (c->rx_state & RX_STATE) == RX_OPENING || c->rx_failed || c->tx_failed)
		return 0;
	if (c->tx_state == TX_SEALING || c->pending)
		emit_failure(&c->tx, failed_seq(c), err, FUNC_ERR_ABORT);
	return 0;
}

HOOK("fentry/tls_err_abort", err_abort, abort_begins)

#ifdef KTLSTOP_KPROBE
#include "ktls_kprobe_hooks.h"
#else

/* Every socket gets its cookie before its first record, as ss would give it. */
static __always_inline int ulp_begins(u64 *ctx)
{
	bpf_get_socket_cookie((void *)ctx[0]);
	return 0;
}

TWIN("fentry/tcp_set_ulp", set_ulp, ulp_begins)

/* ---- inventory: the sockets that are open, in every network namespace ---- */

static __always_inline bool is_tls(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (void *)sk;
	const struct tcp_ulp_ops *ops;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	char name[4] = {};

	if ((family != AF_INET && family != AF_INET6) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return false;
	ops = BPF_CORE_READ(icsk, icsk_ulp_ops);
	if (!ops || !BPF_CORE_READ(icsk, icsk_ulp_data))
		return false;
	bpf_core_read(name, sizeof(name), &ops->name);
	return name[0] == 't' && name[1] == 'l' && name[2] == 's' && !name[3];
}

SEC("iter/task_file")
int inventory(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct event who = {};
	struct socket *sock;
	struct conn *c;
	u64 sk;

	if (!task || !file)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock || !sock->sk)
		return 0;
	sk = (u64)sock->sk;
	if (!is_tls((void *)sk))
		return 0;
	bpf_get_socket_cookie((void *)sock->sk);
	c = conn_find(sk);
	if (!c)
		c = conn_new(sk, tls_ctx_of((void *)sk));
	if (!c || c->told) /* a shared socket is told of its first owner that is wanted */
		return 0;
	who.pid = BPF_CORE_READ(task, tgid);
	who.tid = BPF_CORE_READ(task, pid);
	who.uid = BPF_CORE_READ(task, cred, uid.val);
	who.cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_core_read(who.comm, sizeof(who.comm), &task->comm);
	emit_socket(c, STATE_FOUND, 0, &who);
	return 0;
}

/* ---- start-up ---- */

struct variable {
	char name[32]; /* ends with 0 */
	u64 value;
};

/* Reads a variable of the kernel by its name, before the hooks are loaded. Returns 0 or a negative error. */
SEC("syscall")
int read_variable(struct variable *arg)
{
	struct variable a = *arg; /* 6.1 wants it on the stack */
	u64 addr = 0, v = 0;
	long err = bpf_kallsyms_lookup_name(a.name, sizeof(a.name), 0, &addr);

	if (!err)
		err = bpf_probe_read_kernel(&v, sizeof(v), (void *)addr);
	arg->value = v;
	return err;
}

/* ---- for the tests: what match_event says of an event and a plaintext ---- */

struct match_arg {
	struct event e;
	u64 plaintext; /* address in the caller's memory */
	u32 before;    /* the answer before the plaintext is copied */
	u32 done;      /* the answer when the event is complete */
};

SEC("syscall")
int match_once(struct match_arg *arg)
{
	struct source s = { .kind = SRC_UBUF, .base = arg->plaintext };
	struct event e = arg->e;

	arg->before = may_match(&e, &s);
	arg->done = match_event(&e, MATCH_DONE);
	arg->e.hits = e.hits;
	return 0;
}
#endif

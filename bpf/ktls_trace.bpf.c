/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ktlstop's programs: they watch the kernel's TLS code (net/tls) seal and open
 * records and tell user space of each. A record's way through the hooks:
 *
 *   send  tls_sw_sendmsg, tls_sw_sendpage  first byte of a record
 *         bpf_exec_tx_verdict              sealing begins
 *         tls_encrypt_done                 sealed (asynchronous crypto)
 *         tls_push_sg                      sealed (synchronous)
 *         sk_msg_free                      handed to TCP
 *   recv  tls_rx_msg_ready                 a whole record is there
 *         tls_rx_one_record                taken up; at its exit opened
 *         tls_sw_recvmsg and its kin       the call returns
 *
 * The kernel holds the socket's lock from bpf_exec_tx_verdict to sk_msg_free and
 * in tls_rx_one_record, and lets one reader in at a time: one event in the making
 * per direction is enough. Entries of send calls, returns of receive calls and
 * completions of asynchronous crypto come without the lock.
 */
#include "ktls_kernel.h"
#include "ktls_event.h"
#include "ktls_conn.h"
#include "ktls_send.h"
#include "ktls_receive.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ---- life of a connection ---- */

/* What a network card seals gets its key elsewhere (tls_set_device_offload), and no hook sees its records. */
static __always_inline void tell_other_key(struct conn *c, u8 dir)
{
	u8 mode = dir == DIR_TX ? c->tx.mode : c->rx.mode;

	if (c->keyed[dir & 1] && !c->key_told[dir & 1] && mode != TLS_HW)
		key_missed(c, dir, read_seq(dir == DIR_TX ? c->seq_tx : c->seq_rx));
}

static __always_inline int key_set(u64 sk, u8 dir, bool update, int ret)
{
	struct tls_context *ctx = tls_ctx_of((void *)sk);
	struct conn *c = conn_find(sk);
	bool others = false;

	if (ret || !ctx)
		return 0;
	if (c && c->ctx != (u64)ctx) { /* of an earlier socket at this address */
		if (aggregate)
			close_stats(c->rx.conn);
		conn_delete(sk);
		c = 0;
	}
	c = if_wanted(c ? c : conn_new(sk, ctx, &others));
	if (!c)
		return 0;
	set_keys(c);
	tell_other_key(c, !dir);
	c->keyed[dir & 1] = 1;
	/* The kernel writes tx_conf and rx_conf only after this function. */
	if (dir == DIR_TX) {
		if (update && c->tx_state == TX_SEALING) { /* of the old key, still on its way */
			leave_behind(c);
			c->tx_state = TX_IDLE;
		}
		c->tx.mode = TLS_SW;
		c->tx.gen += update;
		c->tx.start = c->next[DIR_TX] = read_seq(c->seq_tx);
	} else {
		c->rx.mode = TLS_SW;
		c->rx.gen += update;
		c->rx.start = c->next[DIR_RX] = read_seq(c->seq_rx);
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

HOOK("fexit/tls_set_sw_offload", set_sw_offload, sw_offload_ends)

/* tls_setsockopt(sk, level, optname, optval, optlen) */
static __always_inline int option_is_set(u64 *ctx)
{
	struct conn *c = (int)ctx[2] == TLS_RX_EXPECT_NO_PAD ? conn_lookup(ctx[0]) : 0;

	if (c)
		set_no_pad(c);
	return 0;
}

HOOK("fexit/tls_setsockopt", option_set, option_is_set)

/* What is sealed and was never handed over is still a record. */
static __always_inline void flush_tx(struct conn *c)
{
	if (c->tx_state == TX_SEALING && (__s64)(c->end_seq[DIR_TX] - c->tx.seq) > 0)
		emit_record(&c->tx, &c->tx.hidden, &c->sampled[DIR_TX]);
	c->tx_state = TX_IDLE;
}

/* What is sealed and was never handed over: those that wait, and the last one. */
static __always_inline void flush_sent(struct conn *c)
{
	if (others_wait(c))
		tell_waiting(c, c->tail - c->head, 0, 0);
	flush_tx(c);
}

static __always_inline int release_ends(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (c)
		flush_sent(c);
	return 0;
}

HOOK("fexit/tls_sw_release_resources_tx", release_tx, release_ends)

static __always_inline void begin_close(struct conn *c)
{
	c->end_seq[DIR_TX] = read_seq(c->seq_tx);
	c->end_seq[DIR_RX] = read_seq(c->seq_rx);
	c->closing = 1;
}

/* The last point where the sequences are there: 6.1 frees them before it sends what is left. */
static __always_inline int close_begins(u64 *ctx)
{
	struct conn *c = conn_find(ctx[0]);

	if (c && !c->closing)
		begin_close(c);
	return 0;
}

HOOK("fentry/tls_sk_proto_close", close_enter, close_begins)

/* The end of a connection: what is known of it leaves. */
static __always_inline void end_conn(struct conn *c, u64 sk)
{
	flush_sent(c);
	if (c->tx.mode == TLS_SW && !c->unwanted)
		count_skipped(c, DIR_TX, c->end_seq[DIR_TX]);
	if ((c->rx_state & RX_STATE) == RX_OPENED)
		emit_record(&c->rx, &c->rx.hidden, &c->sampled[DIR_RX]);
	if (c->rx.mode == TLS_SW && !c->unwanted)
		count_skipped(c, DIR_RX, c->end_seq[DIR_RX]);
	if (aggregate)
		close_stats(c->rx.conn);
	emit_socket(c, STATE_CLOSE, 0, 0);
	conn_delete(sk);
}

static __always_inline int free_begins(u64 *ctx)
{
	struct conn *c = conn_find(ctx[0]);

	if (!c || c->ctx != ctx[1])
		return 0;
	if (!c->closing) /* where hooks are skipped the sequences are still there */
		begin_close(c);
	end_conn(c, ctx[0]);
	return 0;
}

HOOK("fentry/tls_ctx_free", ctx_free, free_begins)

/* A connection that a network card seals is freed later, without its socket. */
static __always_inline int close_ends(u64 *ctx)
{
	struct conn *c = conn_find(ctx[0]);

	if (c && c->closing)
		end_conn(c, ctx[0]);
	return 0;
}

HOOK("fexit/tls_sk_proto_close", close_exit, close_ends)

/* Where a TCP that refuses a record ends the connection, tls_push_sg was the last hook. */
static __always_inline u64 failed_seq(struct conn *c)
{
	const struct waiting *w = others_wait(c) ? first_waiting(c) : 0;

	return w ? w->e.seq : c->tx.seq;
}

/* Failures to receive have been told where they happen. */
static __always_inline int abort_begins(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	int err = ctx[1];

	if (!c || (c->rx_state & RX_STATE) == RX_OPENING || c->rx_failed || c->tx_failed)
		return 0;
	if (c->tx_state == TX_SEALING || others_wait(c))
		emit_failure(&c->tx, failed_seq(c), err, FUNC_ERR_ABORT);
	return 0;
}

HOOK("fentry/tls_err_abort", err_abort, abort_begins)


/* Every socket gets its cookie before its first record, as ss would give it. */
static __always_inline int ulp_begins(u64 *ctx)
{
	bpf_get_socket_cookie((void *)ctx[0]);
	return 0;
}

HOOK("fentry/tcp_set_ulp", set_ulp, ulp_begins)

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
	bool others = false;
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
		c = conn_new(sk, tls_ctx_of((void *)sk), &others);
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

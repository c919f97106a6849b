/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Shows the loader how a kernel without type information lays out the structures that the
 * kprobe build reads. The loader makes records with known contents. The programs save the
 * arguments of the kernel's functions for these, and read memory for the loader while it
 * keeps the objects alive.
 */
#include "settings.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum probe {
	PROBE_SET_ULP, PROBE_VERDICT, PROBE_PUSH, PROBE_OPEN, PROBE_READY, PROBE_ANNOUNCE, PROBE_SENDMSG,
	PROBE_SPLICE_READ, PROBE_SET, PROBE_CLOSE, PROBE_FREE, PROBE_RECVMSG, PROBE_RELEASE, PROBE_MAX,
};

#define MEM 256
#define STACK 16384 /* THREAD_SIZE. With another size the number of the system call is not found. */

/* The last call of a function by the loader itself. */
struct captured {
	u64 calls, task;
	u64 arg[6];
	u8 stack[MEM];    /* the base of the task's stack, where the registers of the system call are */
	u8 mem[3][MEM];   /* what the arguments point to */
	u8 after[64];     /* tls_rx_one_record: *darg when it returns, ... */
	u8 far[8][MEM];   /* ... and what its words point to; tls_push_sg: what those of *ctx point to */
	u8 near[16][64];  /* what the words of *msg point to */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBE_MAX);
	__type(key, u32);
	__type(value, struct captured);
} captured SEC(".maps");

struct mem_request { u64 addr, len; };
struct mem_reply { u64 err; u8 data[4096]; };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct mem_request);
} mem_request SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct mem_reply);
} mem_reply SEC(".maps");

static __always_inline bool is_mine(void)
{
	return bpf_get_current_pid_tgid() >> 32 == SETTING(tgid);
}

/* Unreadable memory reads as zeros. */
#define PEEK(dst, addr) bpf_probe_read_kernel(dst, sizeof(dst), (void *)(addr))

static __always_inline struct captured *capture(u32 probe, const u64 *regs)
{
	struct captured *s = bpf_map_lookup_elem(&captured, &probe);

	if (!s || !is_mine())
		return 0;
	s->calls++;
	s->task = bpf_get_current_task();
	s->arg[0] = regs[REG_ARG0];
	s->arg[1] = regs[REG_ARG1];
	s->arg[2] = regs[REG_ARG2];
	s->arg[3] = regs[REG_ARG3];
	s->arg[4] = regs[REG_ARG4];
	s->arg[5] = regs[REG_ARG5];
	PEEK(s->stack, (regs[REG_SP] | (STACK - 1)) + 1 - MEM);
	PEEK(s->mem[0], s->arg[0]);
	PEEK(s->mem[1], s->arg[1]);
	PEEK(s->mem[2], s->arg[2]);
	return s;
}

#define LEARN(function, probe) \
	SEC("kprobe/" #function) int function##_learn(u64 *regs) { capture(probe, regs); return 0; }

LEARN(bpf_exec_tx_verdict, PROBE_VERDICT)
LEARN(tls_rx_msg_ready, PROBE_READY)
LEARN(tls_rx_msg_maybe_announce, PROBE_ANNOUNCE)
LEARN(tls_sw_sendmsg, PROBE_SENDMSG)
LEARN(tls_sw_splice_read, PROBE_SPLICE_READ)
LEARN(tls_set_sw_offload, PROBE_SET)
LEARN(tls_sk_proto_close, PROBE_CLOSE)
LEARN(tls_ctx_free, PROBE_FREE)
LEARN(tls_sw_recvmsg, PROBE_RECVMSG)
LEARN(tls_sw_release_resources_tx, PROBE_RELEASE)

/* tls_push_sg(sk, ctx, ...): a word of *ctx points to the send context. */
SEC("kprobe/tls_push_sg")
int tls_push_sg_learn(u64 *regs)
{
	struct captured *s = capture(PROBE_PUSH, regs);

	if (!s)
		return 0;
#pragma unroll
	for (int i = 0; i < 8; i++)
		PEEK(s->far[i], ((u64 *)s->mem[1])[i]);
	return 0;
}

SEC("kprobe/tls_rx_one_record")
int tls_rx_one_record_learn(u64 *regs)
{
	struct captured *s = capture(PROBE_OPEN, regs);

	if (!s)
		return 0;
#pragma unroll
	for (int i = 0; i < 16; i++)
		PEEK(s->near[i], ((u64 *)s->mem[1])[i]);
	return 0;
}

SEC("kretprobe/tls_rx_one_record")
int tls_rx_one_record_learned(u64 *regs)
{
	u32 probe = PROBE_OPEN;
	struct captured *s = bpf_map_lookup_elem(&captured, &probe);

	if (!s || !is_mine())
		return 0;
	PEEK(s->after, s->arg[2]);
#pragma unroll
	for (int i = 0; i < 8; i++)
		PEEK(s->far[i], ((u64 *)s->after)[i]);
	return 0;
}

/* The loader calls this function to read memory. */
SEC("kprobe/tcp_set_ulp")
int tcp_set_ulp_learn(u64 *regs)
{
	u32 zero = 0;
	struct mem_request *q = bpf_map_lookup_elem(&mem_request, &zero);
	struct mem_reply *a = bpf_map_lookup_elem(&mem_reply, &zero);
	u64 len;

	if (!capture(PROBE_SET_ULP, regs) || !q || !a)
		return 0;
	len = q->len;
	if (len > sizeof(a->data))
		len = sizeof(a->data);
	a->err = bpf_probe_read_kernel(a->data, len, (void *)q->addr);
	return 0;
}

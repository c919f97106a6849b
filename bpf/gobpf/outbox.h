/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * These programs send through a perf buffer, which needs the program's context. Handlers
 * put their events into the CPU's outbox, and the program sends them when the handler is
 * done. One outbox per CPU is enough: no second kprobe program runs there meanwhile.
 */
#ifndef GOBPF_OUTBOX_H
#define GOBPF_OUTBOX_H

#include "lost.h"

enum sample { SAMPLE_EVENT = 1, SAMPLE_PAYLOAD, SAMPLE_MARKER };

/* User space sorts by sent. Sizes are multiples of 8, because the reader drops what it takes for padding. */
struct sample_head { u64 sent, what; };
struct event_sample { struct sample_head head; struct event event; };
_Static_assert(sizeof(struct event_sample) == 216, "the reader of samples in user space knows this size");

#define OUTBOX 4
struct outbox {
	u64 sp;      /* stack pointer of the traced function */
	u64 n;
	u64 payload; /* bytes in the bounce buffer */
	struct event_sample out[OUTBOX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct outbox);
} outbox SEC(".maps");

#define BOUNCE (16384 + 4096)
struct bounce {
	struct sample_head head;
	u8 payload[sizeof(struct payload) + BOUNCE]; /* struct payload */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct bounce);
} bounce SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 4096); /* CPUs */
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

static __always_inline struct outbox *my_outbox(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&outbox, &zero);
}

/* The next free entry of the outbox, with the time of its reservation. */
static __always_inline struct event_sample *next_sample(struct outbox *o, const struct event *e)
{
	u64 n = o->n;

	if (n >= OUTBOX) {
		add_lost(ring_loss(e), 1);
		return 0;
	}
	o->out[n].head.sent = bpf_ktime_get_ns();
	o->out[n].head.what = SAMPLE_EVENT;
	return &o->out[n];
}

static __always_inline bool emit(struct event *e)
{
	struct outbox *o = my_outbox();
	struct event_sample *s = o ? next_sample(o, e) : 0;

	if (!s)
		return false;
	s->event = *e;
	o->n++;
	return true;
}

static __always_inline void send(void *regs, void *data, u64 size, u32 place)
{
	if (bpf_perf_event_output(regs, &events, BPF_F_CURRENT_CPU, data, size))
		add_lost(place, 1);
}

static __always_inline void send_event(void *regs, struct event_sample *s)
{
	send(regs, s, sizeof(*s), ring_loss(&s->event));
}

static __always_inline void send_payload(void *regs, u64 size)
{
	u32 zero = 0;
	struct bounce *b = bpf_map_lookup_elem(&bounce, &zero);

	size = (size + sizeof(struct sample_head) + sizeof(struct payload) + 7) & ~7ULL;
	if (b && size <= sizeof(*b))
		send(regs, b, size, lost_as(LOST_PAYLOAD_RING_FULL, ((struct payload *)b->payload)->dir));
}

/* Before and after each handler. */
static __always_inline void open_outbox(const u64 *regs, u64 sp)
{
	struct outbox *o = my_outbox();

	if (!o)
		return;
	o->sp = sp;
	o->n = o->payload = 0;
}

static __always_inline void send_outbox(void *regs)
{
	struct outbox *o = my_outbox();

	if (!o)
		return;
	if (o->payload)
		send_payload(regs, o->payload);
	if (o->n > 0)
		send_event(regs, &o->out[0]);
	if (o->n > 1)
		send_event(regs, &o->out[1]);
	if (o->n > 2)
		send_event(regs, &o->out[2]);
	if (o->n > 3)
		send_event(regs, &o->out[3]);
}

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs that user space runs by itself. */
#ifndef KTLS_ASK_H
#define KTLS_ASK_H

#include "ktls_plaintext.h"

struct variable {
	char name[32]; /* ends with 0 */
	u64 value;
};

/* Reads a variable of the kernel by its name, before the hooks are loaded. Returns 0 or a negative error. */
static __always_inline int variable_of(struct variable *arg)
{
	struct variable a = *arg; /* 6.1 wants it on the stack */
	u64 addr = 0, v = 0;
	long err = bpf_kallsyms_lookup_name(a.name, sizeof(a.name), 0, &addr);

	if (!err)
		err = bpf_probe_read_kernel(&v, sizeof(v), (void *)addr);
	arg->value = v;
	return err;
}

struct match_arg {
	struct event e;
	u64 plaintext; /* address in the caller's memory */
	u32 before;    /* the answer before the plaintext is copied */
	u32 done;      /* the answer when the event is complete */
};

static __always_inline int match_event_once(struct match_arg *arg)
{
	struct source s = { .kind = SRC_UBUF, .base = arg->plaintext };
	struct event e = arg->e;

	arg->before = may_match(&e, &s);
	arg->done = match_event(&e, MATCH_DONE);
	arg->e.rec.hits = e.rec.hits;
	return 0;
}

#endif

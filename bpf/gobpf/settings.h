/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Replaces global variables, for a loader that knows only maps and programs. Constants are
 * enumerators, which pkg/loader relocates like the fields of the kernel's types. Values
 * that change at run time are in the map "run".
 */
#ifndef GOBPF_SETTINGS_H
#define GOBPF_SETTINGS_H

/* The handlers of a kprobe program get the arguments as an array, and read the kernel's memory by helpers. */
#define ARG(args, n) ((args)[n])
#define GIVEN(p, field) BPF_CORE_READ(p, field)
#define have_cast 0
#define read_word(addr) ({ u64 v_ = 0; bpf_probe_read_kernel(&v_, sizeof(v_), (void *)(addr)); v_; })
#define cast_word read_word /* never used */
#define reports_cards false
#include "../ktls_kernel.h"

/*
 * Indexes into a kprobe program's context (struct pt_regs), in words: the arguments, the
 * return value and the stack pointer.
 */
#if defined(__TARGET_ARCH_x86)
enum { REG_ARG5 = 8, REG_ARG4, REG_RET, REG_ARG3, REG_ARG2, REG_ARG1, REG_ARG0, REG_SP = 19 };
#elif defined(__TARGET_ARCH_arm64)
enum { REG_ARG0, REG_ARG1, REG_ARG2, REG_ARG3, REG_ARG4, REG_ARG5, REG_RET = 0, REG_SP = 31 };
#else
#error "the registers of this processor are not known"
#endif

enum setting {
	SET_snaplen = 1, SET_tx_type_arg, SET_set_tx_arg, SET_set_update_arg, SET_orig_ax_back, SET_stack_size,
	SET_nr_sendfile, SET_nr_splice, SET_want_pids, SET_want_comm, SET_want_uid_set, SET_want_uid, SET_want_netns,
	SET_want_port, SET_want_cgroup_level, SET_want_dir, SET_want_cgroup, SET_page_offset_base, SET_vmemmap_base, SET_page_shift,
	SET_tgid, SET_plaintext, SET_nr_uring,
};

#define SETTING(name) bpf_core_enum_value(enum setting, SET_##name)

#define snaplen ((u32)SETTING(snaplen))
#define tx_type_arg SETTING(tx_type_arg)
#define set_tx_arg SETTING(set_tx_arg)
#define set_update_arg SETTING(set_update_arg)
#define nr_sendfile ((s32)SETTING(nr_sendfile))
#define nr_splice ((s32)SETTING(nr_splice))
#define nr_uring ((s32)SETTING(nr_uring))
#define want_pids SETTING(want_pids)
#define want_comm SETTING(want_comm)
#define want_uid_set SETTING(want_uid_set)
#define want_uid ((u32)SETTING(want_uid))
#define want_netns ((u32)SETTING(want_netns))
#define want_port ((u32)SETTING(want_port))
#define want_cgroup_level ((u32)SETTING(want_cgroup_level))
#define want_dir ((u32)SETTING(want_dir))
#define want_cgroup SETTING(want_cgroup)
#define page_offset_base SETTING(page_offset_base)
#define vmemmap_base SETTING(vmemmap_base)
#define page_shift SETTING(page_shift)

/* The layout of plaintext is known. */
#define can_read_plaintext SETTING(plaintext)

struct run { u64 live, next_conn; };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct run);
} run SEC(".maps");

static __always_inline bool is_live(void)
{
	u32 zero = 0;
	struct run *s = bpf_map_lookup_elem(&run, &zero);

	return s && s->live;
}
#define live is_live()

static __always_inline u64 new_conn_id(void)
{
	u32 zero = 0;
	struct run *s = bpf_map_lookup_elem(&run, &zero);

	return s ? __sync_fetch_and_add(&s->next_conn, 1) : 0;
}

#endif

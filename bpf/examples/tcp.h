/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where the data begins in the frames that a socket filter sees. */
#ifndef TCP_H
#define TCP_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET	14
#define TYPE_IPV4	0x0800
#define TYPE_IPV6	0x86dd
#define PROTO_TCP	6

/*
 * The kernel's old packet loads, big endian. One that reaches beyond the frame
 * ends the program, which then lets nothing through.
 */
unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");

/* tcp_data - offset of the first byte of data, 0 if the frame is no TCP. */
static __always_inline __u32 tcp_data(struct __sk_buff *skb)
{
	__u32 tcp;

	switch (load_half(skb, ETHERNET - 2)) {
	case TYPE_IPV4:
		if (load_byte(skb, ETHERNET + 9) != PROTO_TCP)
			return 0;
		tcp = ETHERNET + (load_byte(skb, ETHERNET) & 15) * 4;
		break;
	case TYPE_IPV6:
		if (load_byte(skb, ETHERNET + 6) != PROTO_TCP)
			return 0;
		tcp = ETHERNET + 40;
		break;
	default:
		return 0;
	}
	return tcp + (load_byte(skb, tcp + 12) >> 4) * 4;
}

#endif

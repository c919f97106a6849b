/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Lets through what a person may want to look at: TLS or SSH within TLS, and
 * records that hold what looks like a secret within their first bytes.
 */
#include "tcp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* How far to look. */
#define WINDOW 512

/* A word of up to eight letters as the last bytes that were read hold it. */
#define WORD8(a, b, c, d, e, f, g, h)						\
	((__u64)(a) << 56 | (__u64)(b) << 48 | (__u64)(c) << 40 | (__u64)(d) << 32 |	\
	 (__u64)(e) << 24 | (__u64)(f) << 16 | (__u64)(g) << 8 | (__u64)(h))
#define LOW4	0xffffffffULL
#define LOW7	0xffffffffffffffULL

/* Small letters: '=', '-' and digits stay what they are. */
#define LOWER(c) ((c) >= 'A' && (c) <= 'Z' ? (c) | 0x20 : (c))

static __always_inline int secret(__u64 last, __u64 lower)
{
	return (last & LOW4) == WORD8(0, 0, 0, 0, 'A', 'K', 'I', 'A') ||	/* AWS access key */
	       last == WORD8('-', '-', '-', '-', 'B', 'E', 'G', 'I') ||		/* PEM */
	       lower == WORD8('p', 'a', 's', 's', 'w', 'o', 'r', 'd') ||
	       (lower & LOW7) == WORD8(0, 'a', 'p', 'i', '_', 'k', 'e', 'y');
}

/* tunnel - a TLS ClientHello (RFC 8446 section 4.1.2) or SSH's first line. */
static __always_inline int tunnel(struct __sk_buff *skb, __u32 data)
{
	__u32 head = load_word(skb, data);

	if (head == WORD8(0, 0, 0, 0, 'S', 'S', 'H', '-'))
		return 1;
	return head >> 16 == 0x1603 && (head >> 8 & 0xff) <= 4 && load_byte(skb, data + 5) == 1;
}

SEC("socket")
int suspicious(struct __sk_buff *skb)
{
	__u32 data = tcp_data(skb), end = skb->len;
	__u64 last = 0, lower = 0;

	if (!data || data + 4 > end)
		return 0;
	if (tunnel(skb, data))
		return -1; /* all of it */
	for (int i = 0; i < WINDOW && data + i < end; i++) {
		__u64 c = load_byte(skb, data + i);

		last = last << 8 | c;
		lower = lower << 8 | LOWER(c);
		if (secret(last, lower))
			return -1;
	}
	return 0;
}

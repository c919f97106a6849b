/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Lets HTTP requests through: records that begin with a method, or HTTP/2's preface. */
#include "tcp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define WORD(a, b, c, d) ((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

SEC("socket")
int http_requests(struct __sk_buff *skb)
{
	__u32 data = tcp_data(skb);

	if (!data)
		return 0;
	switch ((__u32)load_word(skb, data)) {
	case WORD('G', 'E', 'T', ' '):
	case WORD('H', 'E', 'A', 'D'):
	case WORD('P', 'O', 'S', 'T'):
	case WORD('P', 'U', 'T', ' '):
	case WORD('P', 'A', 'T', 'C'):
	case WORD('D', 'E', 'L', 'E'):
	case WORD('O', 'P', 'T', 'I'):
	case WORD('C', 'O', 'N', 'N'):
	case WORD('P', 'R', 'I', ' '):
		return -1; /* all of it */
	}
	return 0;
}

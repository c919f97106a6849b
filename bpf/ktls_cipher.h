/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The crypto implementation (driver) that seals or opens a connection's records. */
#ifndef KTLS_CIPHER_H
#define KTLS_CIPHER_H

#include "ktls_keys.h"

#define CRYPTO_ALG_ASYNC 0x80
#define DRIVERS 64 /* systems have few */

/*
 * Socket events carry the index, and user space reads the entry. A crypto module can be
 * unloaded and another one can take its address.
 */
struct driver {
	u64 alg; /* struct crypto_alg */
	u32 async;
	u32 pad;
	char name[112];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DRIVERS);
	__type(key, u32);
	__type(value, struct driver);
} drivers SEC(".maps");

/* 1 + the index of an AEAD's driver in "drivers", 0 if unknown. A global function, see emit_socket. */
__noinline u32 driver_of(u64 aead)
{
	const struct crypto_alg *alg = BPF_CORE_READ((const struct crypto_aead *)aead, base.__crt_alg);
	u32 first = ((u64)alg >> 6) * 0x9e3779b1U >> 26, i, key;
	struct driver *d;
	u64 was;

	if (!alg)
		return 0;
	for (i = 0; i < 4; i++) {
		key = (first + i) & (DRIVERS - 1);
		d = bpf_map_lookup_elem(&drivers, &key);
		if (!d)
			return 0;
		was = __sync_val_compare_and_swap(&d->alg, 0, (u64)alg);
		if (was && was != (u64)alg)
			continue;
		d->async = (BPF_CORE_READ(alg, cra_flags) & CRYPTO_ALG_ASYNC) != 0;
		bpf_probe_read_kernel_str(d->name, sizeof(d->name), (const char *)alg + bpf_core_field_offset(alg->cra_driver_name));
		return key + 1;
	}
	return 0;
}

/* The driver of direction dir. */
static __always_inline u8 driver_for(const struct conn *c, u32 dir)
{
	const struct tls_sw_context_tx *tx = (void *)c->priv_tx;
	const struct tls_sw_context_rx *rx = (void *)c->priv_rx;

	if (mode_of(c, dir) != TLS_SW || c->card & (dir == DIR_TX ? CARD_TX : CARD_RX))
		return 0;
	if (dir == DIR_TX)
		return tx ? driver_of((u64)BPF_CORE_READ(tx, aead_send)) : 0;
	return rx ? driver_of((u64)BPF_CORE_READ(rx, aead_recv)) : 0;
}

#endif

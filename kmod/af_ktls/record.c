// SPDX-License-Identifier: GPL-2.0-only
/* The DTLS 1.2 record (RFC 6347 4.1): its header, nonce and associated data; sealing and opening, both in place. */
#include <crypto/aead.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include "af_ktls_trace.h"

static u64 number(const struct afktls_record *rec)
{
	return (u64)rec->epoch << 48 | rec->seq;
}

static void put_header(u8 *wire, const struct afktls_record *rec, u16 len)
{
	wire[0] = rec->type;
	put_unaligned_be16(KTLS_DTLS_1_2_VERSION, wire + 1);
	put_unaligned_be64(number(rec), wire + 3);
	put_unaligned_be16(len, wire + 11);
}

/* The associated data of the tag has the header's fields in another order (RFC 5246 6.2.3.3). */
static void put_aad(u8 *aad, const struct afktls_record *rec)
{
	put_unaligned_be64(number(rec), aad);
	aad[8] = rec->type;
	put_unaligned_be16(KTLS_DTLS_1_2_VERSION, aad + 9);
	put_unaligned_be16(rec->len, aad + 11);
}

/* RFC 5288 3: salt, explicit nonce. RFC 7905 2: the number, padded on the left, xor the whole salt. */
static void put_nonce(u8 *nonce, const struct afktls_key *key, const u8 *explicit, u64 num)
{
	memcpy(nonce, key->salt, AFKTLS_IV);
	if (key->explicit)
		memcpy(nonce + AFKTLS_IV - 8, explicit, 8);
	else
		put_unaligned_be64(get_unaligned_be64(nonce + AFKTLS_IV - 8) ^ num, nonce + AFKTLS_IV - 8);
}

/* text: plaintext and room for the tag, or ciphertext and tag, `len` bytes without the room. */
static int run_aead(struct afktls_key *key, bool seal, u8 *aad, u8 *text, u32 len, u8 *nonce, gfp_t gfp)
{
	struct aead_request *req = aead_request_alloc(key->aead, gfp);
	struct scatterlist sg[2];
	int err;

	if (!req)
		return -ENOMEM;
	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], aad, DTLS_HEADER);
	sg_set_buf(&sg[1], text, seal ? len + DTLS_TAG : len);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, DTLS_HEADER);
	aead_request_set_crypt(req, sg, sg, len, nonce);
	err = seal ? crypto_aead_encrypt(req) : crypto_aead_decrypt(req);
	aead_request_free(req);
	return err;
}

/* A record of at most `room` bytes of plaintext; they go to rec.data. */
struct afktls_out *afktls_new_out(u16 room, u8 explicit)
{
	struct afktls_out *out;

	out = kmalloc(struct_size(out, aad, DTLS_HEADER + afktls_overhead(explicit) + room), GFP_KERNEL_ACCOUNT);
	if (!out)
		return NULL;
	memset(out, 0, sizeof(*out));
	out->room = room;
	out->wire = out->aad + DTLS_HEADER;
	out->rec.data = out->wire + DTLS_HEADER + explicit;
	return out;
}

void afktls_free_out(struct afktls_out *out)
{
	if (!out)
		return;
	afktls_put_key(out->key);
	kfree_sensitive(out);
}

noinline int afktls_tx_record(struct afktls_sock *ks, struct afktls_record *rec)
{
	struct afktls_out *out = container_of(rec, struct afktls_out, rec);
	struct afktls_key *key = out->key;
	u8 nonce[AFKTLS_IV];
	int err;

	put_header(out->wire, rec, key->explicit + rec->len + DTLS_TAG);
	if (key->explicit)
		put_unaligned_be64(number(rec), out->wire + DTLS_HEADER);
	put_nonce(nonce, key, out->wire + DTLS_HEADER, number(rec));
	put_aad(out->aad, rec);
	err = run_aead(key, true, out->aad, out->wire + DTLS_HEADER + key->explicit, rec->len, nonce, GFP_KERNEL);
	trace_afktls_tx_record(ks, rec, err);
	return err;
}

/* The associated data replace the header, which has been read. */
noinline int afktls_rx_record(struct afktls_sock *ks, struct afktls_record *rec)
{
	struct afktls_in *in = container_of(rec, struct afktls_in, rec);
	struct afktls_key *key = in->key;
	u8 *text = in->wire + DTLS_HEADER + key->explicit;
	u8 nonce[AFKTLS_IV];
	int err;

	put_nonce(nonce, key, in->wire + DTLS_HEADER, number(rec));
	put_aad(in->wire, rec);
	err = run_aead(key, false, in->wire, text, rec->len + DTLS_TAG, nonce, GFP_ATOMIC);
	if (!err)
		rec->data = text;
	trace_afktls_rx_record(ks, rec, err);
	return err;
}

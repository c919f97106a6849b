// SPDX-License-Identifier: GPL-2.0-only
/*
 * One direction of a connection, as the card goes through it from packet to packet: TLS 1.2 records with AES-GCM
 * (RFC 5246, RFC 5288). A record is encrypted as its bytes come by, by counter mode at the right place; its tag is made,
 * or checked, of a copy of its text when all of that has come.
 */
#include <crypto/aead.h>
#include <crypto/skcipher.h>
#include "tlsnic.h"

/* Finds key, salt and first number in what the kernel hands to cards. */
static int read_keys(const struct tls_crypto_info *info, const u8 **key, u32 *keylen, const u8 **salt, const u8 **record)
{
	const struct tls12_crypto_info_aes_gcm_128 *gcm128 = (const void *)info;
	const struct tls12_crypto_info_aes_gcm_256 *gcm256 = (const void *)info;

	if (info->version != TLS_1_2_VERSION)
		return -EOPNOTSUPP;
	switch (info->cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		*key = gcm128->key, *keylen = sizeof(gcm128->key), *salt = gcm128->salt, *record = gcm128->rec_seq;
		return 0;
	case TLS_CIPHER_AES_GCM_256:
		*key = gcm256->key, *keylen = sizeof(gcm256->key), *salt = gcm256->salt, *record = gcm256->rec_seq;
		return 0;
	}
	return -EOPNOTSUPP;
}

int tlsnic_stream_init(struct tlsnic_stream *s, const struct tls_crypto_info *info, u32 seq, bool seal)
{
	const u8 *key, *salt, *record;
	u32 keylen;
	int err;

	err = read_keys(info, &key, &keylen, &salt, &record);
	if (err)
		return err;
	s->seal = seal;
	s->aead = crypto_alloc_aead("gcm(aes)", 0, CRYPTO_ALG_ASYNC);
	s->ctr = crypto_alloc_sync_skcipher("ctr(aes)", 0, 0);
	s->text = kmalloc(TLSNIC_BODY, GFP_KERNEL);
	if (IS_ERR(s->aead) || IS_ERR(s->ctr) || !s->text) {
		err = IS_ERR(s->aead) ? PTR_ERR(s->aead) : IS_ERR(s->ctr) ? PTR_ERR(s->ctr) : -ENOMEM;
		goto free;
	}
	s->request = aead_request_alloc(s->aead, GFP_KERNEL);
	err = s->request ? 0 : -ENOMEM;
	err = err ?: crypto_aead_setkey(s->aead, key, keylen);
	err = err ?: crypto_aead_setauthsize(s->aead, TLSNIC_TAG);
	err = err ?: crypto_sync_skcipher_setkey(s->ctr, key, keylen);
	if (err)
		goto free;
	memcpy(s->nonce, salt, TLS_CIPHER_AES_GCM_128_SALT_SIZE);
	tlsnic_stream_place(s, seq, get_unaligned_be64(record));
	return 0;
free:
	tlsnic_stream_free(s);
	return err;
}

void tlsnic_stream_free(struct tlsnic_stream *s)
{
	if (s->request)
		aead_request_free(s->request);
	if (!IS_ERR_OR_NULL(s->aead))
		crypto_free_aead(s->aead);
	if (!IS_ERR_OR_NULL(s->ctr))
		crypto_free_sync_skcipher(s->ctr);
	kfree_sensitive(s->text);
}

/* The record of this number begins at seq. */
void tlsnic_stream_place(struct tlsnic_stream *s, u32 seq, u64 record)
{
	s->next = seq;
	s->record = record;
	s->pos = s->len = 0;
	s->lost = s->guess = false;
}

/* Says whether a record of TLS 1.2 with AES-GCM may begin like this. */
bool tlsnic_is_header(const u8 *header)
{
	u32 len = header[3] << 8 | header[4];

	return header[0] >= 20 && header[0] <= 23 && header[1] == 3 && header[2] == 3 &&
	       len >= TLSNIC_NONCE + TLSNIC_TAG && len <= TLSNIC_BODY;
}

static u32 body_len(const struct tlsnic_stream *s)
{
	return s->len - TLSNIC_PREFIX - TLSNIC_TAG;
}

/* The 16 bytes that GCM encrypts for a block: salt, explicit nonce, number (NIST SP 800-38D, 7.1). */
static void counter_block(struct tlsnic_stream *s, u8 *block, u32 number)
{
	memcpy(block, s->nonce, 4);
	memcpy(block + 4, s->prefix + TLS_HEADER_SIZE, TLSNIC_NONCE);
	*(__be32 *)(block + 12) = cpu_to_be32(number);
}

/* Encrypts or decrypts, which is the same, n bytes at p, the record's text from off on. The first block has number 2. */
static int crypt_range(struct tlsnic_stream *s, u8 *p, u32 off, u32 n)
{
	SYNC_SKCIPHER_REQUEST_ON_STACK(req, s->ctr);
	u32 skip = off % sizeof(s->pad);
	struct scatterlist sg[2];
	u8 block[16];
	int err;

	counter_block(s, block, 2 + off / sizeof(s->pad));
	sg_init_table(sg, skip ? 2 : 1);
	if (skip) /* a range that begins within a block has something encrypted before it */
		sg_set_buf(&sg[0], s->pad, skip);
	sg_set_buf(&sg[skip ? 1 : 0], p, n);
	skcipher_request_set_sync_tfm(req, s->ctr);
	skcipher_request_set_callback(req, 0, NULL, NULL);
	skcipher_request_set_crypt(req, sg, sg, skip + n, block);
	err = crypto_skcipher_encrypt(req);
	skcipher_request_zero(req);
	return err;
}

/* Makes the tag behind s->text, which is encrypted thereby, or checks the one that is there. */
static int finish_text(struct tlsnic_stream *s)
{
	u32 body = body_len(s);
	struct scatterlist sg[2];

	*(__be64 *)s->aad = cpu_to_be64(s->record);
	memcpy(s->aad + 8, s->prefix, 3); /* type and version */
	*(__be16 *)(s->aad + 11) = cpu_to_be16(body);
	memcpy(s->nonce + 4, s->prefix + TLS_HEADER_SIZE, TLSNIC_NONCE);
	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], s->aad, TLS_AAD_SPACE_SIZE);
	sg_set_buf(&sg[1], s->text, body + TLSNIC_TAG);
	aead_request_set_callback(s->request, 0, NULL, NULL);
	aead_request_set_ad(s->request, TLS_AAD_SPACE_SIZE);
	aead_request_set_crypt(s->request, sg, sg, s->seal ? body : body + TLSNIC_TAG, s->nonce);
	return s->seal ? crypto_aead_encrypt(s->request) : crypto_aead_decrypt(s->request);
}

static int take_prefix(struct tlsnic_stream *s, const u8 *p, u32 n)
{
	memcpy(s->prefix + s->pos, p, n);
	if (s->pos + n < TLSNIC_PREFIX)
		return 0;
	s->len = TLS_HEADER_SIZE + (s->prefix[3] << 8 | s->prefix[4]);
	if (!tlsnic_is_header(s->prefix))
		return -EPROTO;
	return s->seal && !body_len(s) ? finish_text(s) : 0;
}

static int take_body(struct tlsnic_stream *s, u8 *p, u32 n)
{
	u32 off = s->pos - TLSNIC_PREFIX;
	int err;

	memcpy(s->text + off, p, n);
	if (s->guess)
		return 0;
	err = crypt_range(s, p, off, n);
	if (!err && s->seal && off + n == body_len(s))
		err = finish_text(s);
	return err;
}

static int take_tag(struct tlsnic_stream *s, u8 *p, u32 n)
{
	u8 *tag = s->text + s->pos - TLSNIC_PREFIX;

	if (s->seal) {
		memcpy(p, tag, n);
		return 0;
	}
	memcpy(tag, p, n);
	return s->pos + n == s->len && !s->guess ? finish_text(s) : 0;
}

/* Takes what is next of one part of a record; returns how many of n bytes it were. */
static u32 take(struct tlsnic_stream *s, u8 *p, u32 n, int *err)
{
	u32 tag = s->len - TLSNIC_TAG;

	if (s->pos < TLSNIC_PREFIX) {
		n = min(n, TLSNIC_PREFIX - s->pos);
		*err = take_prefix(s, p, n);
	} else if (s->pos < tag) {
		n = min(n, tag - s->pos);
		*err = take_body(s, p, n);
	} else {
		n = min(n, s->len - s->pos);
		*err = take_tag(s, p, n);
	}
	return n;
}

/*
 * Seals or opens in place the n bytes at p, which follow those of the last call. An error says that they are not to be
 * used. After a wrong tag the card still knows its place, after anything else it does not.
 */
int tlsnic_stream_run(struct tlsnic_stream *s, u8 *p, u32 n)
{
	int err, first = 0;

	s->next += n;
	while (n) {
		u32 took = take(s, p, n, &err);

		first = first ?: err;
		s->pos += took;
		if (err && err != -EBADMSG) {
			s->lost = true;
			return err;
		}
		if (s->len && s->pos == s->len) {
			s->pos = s->len = 0;
			s->record++;
		}
		p += took;
		n -= took;
	}
	return first;
}

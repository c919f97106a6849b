// SPDX-License-Identifier: GPL-2.0-only
/* Sending datagrams: gather a record, give it a number, seal it, push it. */
#include <linux/bvec.h>
#include <linux/ktime.h>
#include <linux/uio.h>
#include <net/dst.h>
#include <net/tls.h>
#include "af_ktls_trace.h"

/* One call of sendmsg. */
struct sending {
	struct msghdr *msg;
	size_t size, done;
	size_t sent;		/* done, without a record that failed */
	u8 type;
	bool more;		/* the record may wait for the next call */
	bool fill;		/* sendfile, splice: as many records as it takes */
	bool finished;
};

/* A route that UDP would no longer use does not count. */
static struct dst_entry *route(struct sock *udp)
{
	return sk_dst_check(udp, udp->sk_family == AF_INET6 ? READ_ONCE(inet6_sk(udp)->dst_cookie) : 0);
}

static u32 payload(u32 mtu, u16 family)
{
	u32 headers = family == AF_INET ? 20 + 8 : 40 + 8;

	return mtu > headers ? min_t(u32, mtu - headers, UDP_MAX_PAYLOAD) : 0;
}

/* unknown: the MTU to use as long as the UDP socket has no route; it looks one up when it sends. */
static u32 path_mtu(struct sock *udp, u32 unknown)
{
	struct dst_entry *dst = route(udp);
	u32 room;

	if (!dst)
		return payload(unknown, udp->sk_family);
	room = payload(dst_mtu(dst), dst->ops->family);
	dst_release(dst);
	return room;
}

static u32 room_for(struct afktls_sock *ks, u32 unknown)
{
	u32 mtu = ks->mtu ?: path_mtu(ks->udp, unknown);
	u32 overhead = afktls_overhead(ks->alg ? ks->alg->explicit : 8);

	return mtu > overhead ? min_t(u32, mtu - overhead, DTLS_MAX_PLAIN) : 0;
}

/*
 * Bytes of plaintext that one record takes for certain: without a route, the bytes that fit the minimum MTU of IPv6
 * (RFC 8200 5); few paths of IPv4 are below that. Needs ks->lock and the gate.
 */
u32 afktls_room(struct afktls_sock *ks)
{
	return room_for(ks, IPV6_MIN_MTU);
}

/*
 * The size of the buffer for a record with the remaining bytes. 0: they do not fit; without a route, UDP reports
 * that.
 */
static u32 room_of(struct afktls_sock *ks, const struct sending *s, size_t left)
{
	if (s->fill)
		return afktls_room(ks);
	if (left > room_for(ks, IP_MAX_MTU))
		return 0;
	return s->more ? max_t(u32, afktls_room(ks), left) : left;
}

/* Gives the open record its number, which is used up from now on, even if the record is not sent. */
static int close_record(struct afktls_sock *ks, struct afktls_out **closed)
{
	struct afktls_out *out = ks->open;
	struct afktls_key *key = ks->tx;

	ks->open = NULL;
	if ((key->next & DTLS_SEQ_MASK) == DTLS_SEQ_MASK) {
		afktls_free_out(out);
		return -EKEYEXPIRED;
	}
	refcount_inc(&key->refs);
	out->key = key;
	out->rec.epoch = key->next >> 48;
	out->rec.seq = key->next & DTLS_SEQ_MASK;
	out->rec.datagram = afktls_overhead(key->explicit) + out->rec.len;
	key->next++;
	*closed = out;
	return 0;
}

static int open_record(struct afktls_sock *ks, struct sending *s)
{
	size_t left = s->size - s->done;
	u32 room = room_of(ks, s, left);

	if (left && !room)
		return -EMSGSIZE;
	ks->open = afktls_new_out(room, ks->alg->explicit);
	if (!ks->open)
		return -ENOMEM;
	ks->open->rec.type = s->type;
	ks->open->rec.begun = ktime_get_ns();
	if (s->fill)
		ks->open->rec.flags |= AFKTLS_REC_SPLICED;
	return 0;
}

static int append(struct afktls_out *out, struct sending *s)
{
	size_t n = min_t(size_t, s->size - s->done, out->room - out->rec.len);

	if (n < s->size - s->done && !s->fill)
		return -EMSGSIZE;
	if (!copy_from_iter_full((u8 *)out->rec.data + out->rec.len, n, &s->msg->msg_iter))
		return -EFAULT;
	out->rec.len += n;
	s->done += n;
	return 0;
}

/*
 * Takes what it can of s into the open record. *closed is a record that must be sent now: the one before, because its
 * type is another, or this one, because it is full or complete. Needs ks->lock.
 */
static int gather(struct afktls_sock *ks, struct sending *s, struct afktls_out **closed)
{
	bool fresh = !ks->open;
	int err;

	if (!ks->tx)
		return -ENOKEY;
	if (!fresh && ks->open->rec.type != s->type)
		return close_record(ks, closed);
	err = fresh ? open_record(ks, s) : 0;
	if (!err)
		err = append(ks->open, s);
	if (err) {
		if (fresh) {
			afktls_free_out(ks->open);
			ks->open = NULL;
		}
		return err;
	}
	s->finished = s->done == s->size;
	if (s->finished && s->more)
		return 0;
	return close_record(ks, closed);
}

/* Routes may depend on the mark: as in sock_set_mark(), the current one is reset. */
static void tell_mark(struct afktls_sock *ks, u32 mark)
{
	if (READ_ONCE(ks->told_mark) == mark)
		return;
	WRITE_ONCE(ks->told_mark, mark);
	WRITE_ONCE(ks->udp->sk_mark, mark);
	sk_dst_reset(ks->udp);
}

/* Only changed values: IP_TOS, an option of the UDP socket, sets its priority as well. */
static void tell_priority(struct afktls_sock *ks, u32 priority)
{
	if (READ_ONCE(ks->told_priority) == priority)
		return;
	WRITE_ONCE(ks->told_priority, priority);
	WRITE_ONCE(ks->udp->sk_priority, priority);
}

/* Options of SOL_SOCKET reach only the AF_KTLS socket: those that concern sending are passed on. */
static void tell_options(struct afktls_sock *ks)
{
	struct sock *udp = ks->udp;

	if (ks->sk.sk_userlocks & SOCK_SNDBUF_LOCK && READ_ONCE(udp->sk_sndbuf) != READ_ONCE(ks->sk.sk_sndbuf))
		WRITE_ONCE(udp->sk_sndbuf, READ_ONCE(ks->sk.sk_sndbuf));
	if (READ_ONCE(udp->sk_sndtimeo) != READ_ONCE(ks->sk.sk_sndtimeo))
		WRITE_ONCE(udp->sk_sndtimeo, READ_ONCE(ks->sk.sk_sndtimeo));
	tell_mark(ks, READ_ONCE(ks->sk.sk_mark));
	tell_priority(ks, READ_ONCE(ks->sk.sk_priority));
}

noinline int afktls_tx_push(struct afktls_sock *ks, struct afktls_record *rec)
{
	struct afktls_out *out = container_of(rec, struct afktls_out, rec);
	struct msghdr msg = { .msg_flags = out->flags };
	struct kvec vec = { out->wire, rec->datagram };
	int err;

	tell_options(ks);
	err = kernel_sendmsg(ks->low, &msg, &vec, 1, vec.iov_len);
	err = min(err, 0);
	trace_afktls_tx_push(ks, rec, err);
	return err;
}

static int transmit(struct afktls_sock *ks, struct afktls_out *out, unsigned int flags)
{
	int err;

	out->flags = (flags & MSG_DONTWAIT) | MSG_NOSIGNAL;
	err = afktls_tx_record(ks, &out->rec);
	if (!err)
		err = afktls_tx_push(ks, &out->rec);
	if (!err) {
		afktls_count(ks, AFKTLS_STAT_TX_RECORDS, 1);
		afktls_count(ks, AFKTLS_STAT_TX_BYTES, out->rec.len);
	}
	afktls_free_out(out);
	return err;
}

static int step(struct afktls_sock *ks, struct sending *s)
{
	struct afktls_out *closed = NULL;
	int err;

	mutex_lock(&ks->lock);
	err = gather(ks, s, &closed);
	mutex_unlock(&ks->lock);
	if (closed)
		err = transmit(ks, closed, s->msg->msg_flags);
	return err;
}

/* The record type in a cmsg, parsed as in net/tls. */
static int record_type(struct msghdr *msg, u8 *type)
{
	struct cmsghdr *c;

	for_each_cmsghdr(c, msg) {
		if (!CMSG_OK(msg, c))
			return -EINVAL;
		if (c->cmsg_level != SOL_TLS)
			continue;
		if (c->cmsg_type != TLS_SET_RECORD_TYPE || c->cmsg_len < CMSG_LEN(sizeof(*type)) || msg->msg_flags & MSG_MORE)
			return -EINVAL;
		*type = *(u8 *)CMSG_DATA(c);
	}
	return 0;
}

/* A datagram that UDP would refuse for lack of room is refused before it has a number. */
static bool would_block(struct afktls_sock *ks, unsigned int flags)
{
	return flags & MSG_DONTWAIT && sk_wmem_alloc_get(ks->udp) >= READ_ONCE(ks->udp->sk_sndbuf);
}

static int may_send(struct afktls_sock *ks, struct msghdr *msg)
{
	if (!ks->attached)
		return -ENOTCONN;
	if (ks->sk.sk_shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	if (ks->sk.sk_err)
		return sock_error(&ks->sk);
	return would_block(ks, msg->msg_flags) ? -EAGAIN : 0;
}

/* A non-blocking call does not wait for a detach either. */
static int enter(struct afktls_sock *ks, unsigned int flags)
{
	if (!(flags & MSG_DONTWAIT))
		return down_read_killable(&ks->gate);
	return down_read_trylock(&ks->gate) ? 0 : -EAGAIN;
}

static ssize_t send_all(struct afktls_sock *ks, struct sending *s)
{
	ssize_t err = enter(ks, s->msg->msg_flags);

	if (err)
		return err;
	err = may_send(ks, s->msg);
	while (!err && !s->finished) {
		err = step(ks, s);
		if (!err)
			s->sent = s->done;
	}
	up_read(&ks->gate);
	return s->sent ?: err;
}

#define SEND_FLAGS (MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR | MSG_BATCH | MSG_CONFIRM | MSG_CMSG_COMPAT | \
		    MSG_SPLICE_PAGES)

int afktls_dgram_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)
{
	struct sending s = { .msg = msg, .size = size, .type = DTLS_APPLICATION_DATA };
	int err;

	if (msg->msg_flags & ~SEND_FLAGS)
		return -EOPNOTSUPP;
	if (msg->msg_namelen)
		return -EISCONN;
	err = msg->msg_controllen ? record_type(msg, &s.type) : 0;
	if (err)
		return err;
	s.more = msg->msg_flags & MSG_MORE;
	s.fill = msg->msg_flags & MSG_SPLICE_PAGES;
	return send_all(afktls_sk(sock->sk), &s);
}

/* sendfile ended sooner than announced: the collected data is sent. */
void afktls_dgram_splice_eof(struct socket *sock)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	struct afktls_out *closed = NULL;

	down_read(&ks->gate);
	mutex_lock(&ks->lock);
	if (ks->attached && ks->tx && ks->open)
		close_record(ks, &closed);
	mutex_unlock(&ks->lock);
	if (closed)
		transmit(ks, closed, 0);
	up_read(&ks->gate);
}

#ifdef AFKTLS_SENDPAGE
ssize_t afktls_dgram_sendpage(struct socket *sock, struct page *page, int offset, size_t size, int flags)
{
	struct bio_vec vec = { .bv_page = page, .bv_len = size, .bv_offset = offset };
	struct msghdr msg = { .msg_flags = flags & (MSG_DONTWAIT | MSG_NOSIGNAL) };
	struct sending s = { .msg = &msg, .size = size, .type = DTLS_APPLICATION_DATA, .fill = true };

	s.more = flags & (MSG_MORE | MSG_SENDPAGE_NOTLAST);
	iov_iter_bvec(&msg.msg_iter, WRITE, &vec, 1, size);
	return send_all(afktls_sk(sock->sk), &s);
}
#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Parsing alerts and handshake records. */
#ifndef KTLS_CONTROL_H
#define KTLS_CONTROL_H

#include "ktls_plaintext.h"

static __always_inline bool is_control(const struct event *e)
{
	return e->type == TYPE_ALERT || e->type == TYPE_HANDSHAKE;
}

/* The alert after which its sender sends nothing (RFC 8446 section 6.1). */
static __always_inline bool is_close_notify(const struct event *e)
{
	return e->type == TYPE_ALERT && e->flags & FLAG_CONTROL && !e->rec.ctl[1];
}

/* Read level and description. */
static __always_inline void set_alert(struct event *e, struct source *s)
{
	if (e->rec.len < 2)
		return;
	if (!s->left)
		next_piece(s);
	if (!s->left) /* the first piece was empty */
		next_piece(s);
	/* An alert whose two bytes are in two pieces is reported without them. */
	if (s->left >= 2 && !read_piece(e->rec.ctl, 2, s))
		e->flags |= FLAG_CONTROL;
}

/* Arguments of message_step. Values that change are not stored here, see struct source. */
struct message_walk {
	struct source *from; /* its want is the rest of the record */
	struct messages *at;
	struct event *e;
};

static __always_inline void add_message_type(struct event *e, u8 type)
{
	u32 n = e->rec.messages;

	if (n < MESSAGES)
		e->rec.ctl[n & (MESSAGES - 1)] = type;
	if (n < 255)
		e->rec.messages = n + 1;
}

/* Add a byte of a message header: one byte of type, three of length (RFC 8446 section 4). */
static __always_inline void add_header_byte(struct messages *m, struct event *e, u8 byte)
{
	if (!m->header_bytes) {
		m->type = byte;
		add_message_type(e, byte);
	}
	if (++m->header_bytes > 1)
		m->size = m->size << 8 | byte;
	if (m->header_bytes < 4)
		return;
	m->left = m->size;
	m->header_bytes = m->size = 0;
}

/* One step consumes the current piece as far as it belongs to the current message, or one header byte. */
static long message_step(u32 i, struct message_walk *w)
{
	struct source *s = w->from;
	struct messages *m = w->at;
	u64 n;
	u8 byte;

	if (!s->left)
		next_piece(s);
	n = s->left < s->want ? s->left : s->want;
	if (m->left) {
		if (n > m->left)
			n = m->left;
		m->left -= n;
	} else if (n) {
		n = 1;
		if (read_piece(&byte, 1, s))
			return 1;
		add_header_byte(m, w->e, byte);
	}
	advance(s, n);
	return !s->want;
}

/*
 * Whether the position in the message stream is known at the start of a handshake record.
 * A message spans neither records of other types (RFC 8446 section 5.1) nor a key change.
 */
static __always_inline bool position_known(struct messages *m, u64 seq)
{
	if (seq != m->next) {
		m->left = m->header_bytes = m->size = m->unknown = 0;
		if (seq && seq == m->uncertain)
			m->unknown = 1;
	}
	m->next = seq + 1;
	return !m->unknown;
}

/*
 * Parse the messages of a handshake record whose plaintext is at c->src. A global
 * function, see emit_socket.
 */
__noinline int set_messages(struct conn *c, u32 dir)
{
	struct messages *m;
	struct source *s;
	struct event *e;
	struct message_walk w;

	if (!c)
		return 0;
	e = dir == DIR_TX ? &c->tx : &c->rx;
	m = &c->messages[dir & 1];
	s = &c->src[dir & 1];
	w = (struct message_walk){ .from = s, .at = m, .e = e };
	if (dir == DIR_TX) { /* sealing can fail and start again with the same record */
		if (m->next == e->rec.seq + 1)
			*m = c->messages_before;
		c->messages_before = *m;
	}
	if (!position_known(m, e->rec.seq))
		return 0;
	if (m->left || m->header_bytes) {
		e->rec.message_bits = MESSAGE_CONTINUED;
		add_message_type(e, m->type);
	}
	s->want = e->rec.len;
	if (s->want)
		bpf_loop(COPY_STEPS, message_step, &w, 0);
	if (s->want) { /* unreadable */
		m->unknown = 1;
		return 0;
	}
	if (m->left || m->header_bytes)
		e->rec.message_bits |= MESSAGE_UNFINISHED;
	if (e->rec.messages)
		e->flags |= FLAG_CONTROL;
	return 0;
}

static __always_inline void set_control(struct conn *c, struct event *e, struct source *s)
{
	__builtin_memset(e->rec.ctl, 0, sizeof(e->rec.ctl));
	e->rec.messages = e->rec.message_bits = 0;
	if (e->type == TYPE_ALERT)
		set_alert(e, s);
	else
		set_messages(c, e->dir);
}

#endif

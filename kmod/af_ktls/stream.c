// SPDX-License-Identifier: GPL-2.0-only
/*
 * SOCK_STREAM: no record code at all. The TCP socket gets the kernel's own "tls" protocol, and every call on the
 * AF_KTLS socket is passed to the TCP socket.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tls.h>
#include "afktls.h"

static int set_ulp(struct socket *low)
{
	return READ_ONCE(low->ops)->setsockopt(low, SOL_TCP, TCP_ULP, KERNEL_SOCKPTR("tls"), 3);
}

static bool has_tls(struct sock *sk)
{
	const struct tcp_ulp_ops *ulp = READ_ONCE(inet_csk(sk)->icsk_ulp_ops);

	return ulp && !strcmp(ulp->name, "tls");
}

/*
 * A socket that has kernel TLS already is accepted too. If net/tls is not loaded, TCP loads it for callers that may
 * administer the network, and returns ENOENT to all others: so do we.
 */
int afktls_attach_tcp(struct afktls_sock *ks, struct socket *low)
{
	int err = set_ulp(low);

	if (err == -EEXIST && has_tls(low->sk))
		err = 0;
	if (err)
		return err == -EEXIST ? -EBUSY : err;
	afktls_reset(ks);
	ks->low = low;
	return 0;
}

static struct socket *below(struct socket *sock)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);

	return READ_ONCE(ks->attached) ? ks->low : NULL;
}

/*
 * net/tls takes a key from user space only: from the kernel's memory it copies with a memcpy() that hardened kernels
 * complain about (do_tls_setsockopt_conf(), "field-spanning write", seen on 7.3). So the key is passed through a page
 * of the calling process.
 */
static int set_key(struct socket *low, int name, const void *info, unsigned int len)
{
	unsigned long at;
	int err;

	if (!current->mm)
		return -EFAULT;
	at = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(at))
		return at;
	err = -EFAULT;
	if (!copy_to_user((void __user *)at, info, len))
		err = READ_ONCE(low->ops)->setsockopt(low, SOL_TLS, name, USER_SOCKPTR((void __user *)at), len);
	if (clear_user((void __user *)at, len) && !err)
		err = -EFAULT;
	vm_munmap(at, PAGE_SIZE);
	return err;
}

/* Converts the parts of 2016 to net/tls's struct. */
int afktls_install_tcp(struct afktls_sock *ks, int dir, const struct afktls_cipher *alg, const struct afktls_parts *parts)
{
	u8 info[AFKTLS_MAX_INFO] __aligned(2);
	u32 len = afktls_put_info(info, TLS_1_2_VERSION, alg, parts, parts->next);
	int err = set_key(ks->low, dir == AFKTLS_TX_DIR ? TLS_TX : TLS_RX, info, len);

	memzero_explicit(info, sizeof(info));
	return err;
}

/* net/tls counts; 0 if it does not seal for this socket (any longer). */
u64 afktls_next_tcp(struct afktls_sock *ks, int dir)
{
	struct sock *sk = ks->low->sk;
	struct tls_context *ctx;
	u64 next = 0;

	lock_sock(sk);
	ctx = has_tls(sk) ? tls_get_ctx(sk) : NULL;
	if (ctx && (dir == AFKTLS_TX_DIR ? ctx->tx_conf : ctx->rx_conf) != TLS_BASE)
		next = get_unaligned_be64(dir == AFKTLS_TX_DIR ? ctx->tx.rec_seq : ctx->rx.rec_seq);
	release_sock(sk);
	return next;
}

static __poll_t poll(struct file *file, struct socket *sock, struct poll_table_struct *wait)
{
	struct socket *low = below(sock);

	return low ? READ_ONCE(low->ops)->poll(low->file, low, wait) : EPOLLHUP;
}

static int shutdown(struct socket *sock, int how)
{
	struct socket *low = below(sock);

	return low ? READ_ONCE(low->ops)->shutdown(low, how) : -ENOTCONN;
}

static int sendmsg(struct socket *sock, struct msghdr *msg, size_t size)
{
	struct socket *low = below(sock);

	return low ? READ_ONCE(low->ops)->sendmsg(low, msg, size) : -ENOTCONN;
}

static int recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)
{
	struct socket *low = below(sock);

	return low ? READ_ONCE(low->ops)->recvmsg(low, msg, size, flags) : -ENOTCONN;
}

static ssize_t splice_read(struct socket *sock, loff_t *ppos, struct pipe_inode_info *pipe, size_t len,
			   unsigned int flags)
{
	struct socket *low = below(sock);

	return low ? READ_ONCE(low->ops)->splice_read(low, ppos, pipe, len, flags) : -ENOTCONN;
}

#ifdef AFKTLS_SENDPAGE
/* sock_no_sendpage() would pass MSG_SENDPAGE_NOTLAST to tls_sw_sendmsg(), which returns EOPNOTSUPP. */
static ssize_t sendpage(struct socket *sock, struct page *page, int offset, size_t size, int flags)
{
	struct socket *low = below(sock);

	return low ? READ_ONCE(low->ops)->sendpage(low, page, offset, size, flags) : -ENOTCONN;
}
#endif

#ifdef AFKTLS_HAVE_SPLICE_EOF
static void splice_eof(struct socket *sock)
{
	struct socket *low = below(sock);

	if (low && READ_ONCE(low->ops)->splice_eof)
		READ_ONCE(low->ops)->splice_eof(low);
}
#endif

const struct proto_ops afktls_stream_ops = {
	.family = AF_KTLS,
	.owner = THIS_MODULE,
	.release = afktls_release,
	.bind = afktls_bind,
	.connect = sock_no_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = afktls_getname,
	.poll = poll,
	.ioctl = afktls_ioctl,
	.gettstamp = sock_gettstamp,
	.listen = sock_no_listen,
	.shutdown = shutdown,
	.setsockopt = afktls_setsockopt,
	.getsockopt = afktls_getsockopt,
	.sendmsg = sendmsg,
	.recvmsg = recvmsg,
	.mmap = sock_no_mmap,
	.splice_read = splice_read,
#ifdef AFKTLS_SENDPAGE
	.sendpage = sendpage,
#endif
#ifdef AFKTLS_HAVE_SPLICE_EOF
	.splice_eof = splice_eof,
#endif
};

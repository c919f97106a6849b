/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The programs of "ktlstop doctor --watch", in an object of their own that no other
 * command loads. They watch what processes request from the kernel and what it answers,
 * and the first handshake messages on TCP sockets.
 */
#include "ktls_setup.h"
#include "ktls_hello.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define HOOK(section, name, handler) SEC(section) int name(u64 *ctx) { return handler(ctx); }

/* ---- requests and results ---- */

HOOK("fexit/tcp_set_ulp", ulp_exit, ulp_result)
HOOK("fexit/tls_setsockopt", key_exit, key_result)
HOOK("fexit/mptcp_setsockopt", mptcp_exit, mptcp_result)
HOOK("fexit/tls_set_device_offload", device_tx_exit, device_tx_result)
HOOK("fexit/tls_set_device_offload_rx", device_rx_exit, device_rx_result)

/* ---- handshakes ---- */

HOOK("fentry/tcp_sendmsg", hello_send, send_begins)
HOOK("fentry/tcp_recvmsg", hello_receive, receive_begins)
HOOK("fexit/tcp_recvmsg", hello_received, receive_ends)

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ktlstop's programs. They watch the kernel's TLS code (net/tls) seal and open
 * records, and report each record to user space. The hooks that a record passes:
 *
 *   send  tls_sw_sendmsg, tls_sw_sendpage  first byte of a record
 *         bpf_exec_tx_verdict              sealing begins
 *         tls_encrypt_done                 sealed (asynchronous crypto)
 *         tls_push_sg                      sealed (synchronous)
 *         sk_msg_free                      handed to TCP
 *   recv  tls_rx_msg_ready                 a complete record is queued
 *         tls_rx_one_record                opening begins; at its exit opened
 *         tls_sw_recvmsg and others        the call returns
 *
 * The kernel holds the socket lock from bpf_exec_tx_verdict to sk_msg_free and in
 * tls_rx_one_record, and admits one reader at a time. Therefore one current event per
 * direction is enough. Entries of send calls, returns of receive calls and completions
 * of asynchronous crypto run without the lock.
 */
#include "ktls_syscall.h"
#include "ktls_async.h"
#include "ktls_inventory.h"
#include "ktls_life.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * A kernel that preempts itself can preempt a task in the middle of a program. It then
 * skips that program for every other task on the CPU (prog->active). The programs invent
 * no event for a skipped hook. The next hook reports the record without what only the
 * skipped one could see; if all hooks of a record were skipped, the sequence of the next
 * record shows the gap (count_skipped).
 *
 * No hook follows the return of tls_rx_one_record, and without that the type and length of
 * a record are unknown. If plaintext is wanted, no hook can replace the begin of sealing
 * either. Therefore these two programs are attached twice. The second attachment finds
 * nothing to do, and both are skipped only if two tasks were preempted in them.
 */
#define HOOK(section, name, handler) SEC(section) int name(u64 *ctx) { return handler(ctx); }
#define HOOK_TWICE(section, name, handler)                                   \
	SEC(section) int name(u64 *ctx) { return handler(ctx); }       \
	SEC(section) int name##_again(u64 *ctx) { return handler(ctx); }

/* ---- records sent ---- */

/* First byte of a record. */
HOOK("fentry/tls_sw_sendmsg", sendmsg_enter, sendmsg_begins)
/* The same; only 6.1 sends pages by a call of their own. */
HOOK("fentry/tls_sw_sendpage", sendpage_enter, sendpage_begins)
/* Sealing begins: sequence, type, length, process, call, plaintext. */
HOOK_TWICE("fentry/bpf_exec_tx_verdict", verdict_enter, verdict_begins)
/* Sealed by asynchronous crypto. */
HOOK("fentry/tls_encrypt_done", encrypt_done, encryption_ends)
/* Sealed by synchronous crypto; a card's record is closed and numbered. */
HOOK("fentry/tls_push_sg", push_enter, push_begins)
/* TCP has the record, because the kernel frees its plaintext: reports the record. */
HOOK("fentry/sk_msg_free", msg_free, message_freed)
/* The connection ends, and TCP has only a part of the record. */
HOOK("fentry/tls_free_partial_record", partial_free, partial_freed)
/* Reports records that were sealed and never reached TCP. */
HOOK("fexit/tls_sw_release_resources_tx", release_tx, release_ends)

/* ---- records received ---- */

/* A complete record is in the receive queue (up to 6.18). */
HOOK("fentry/tls_rx_msg_ready", msg_ready, record_ready)
/* The same from 7.2, see data_arrives. */
HOOK("fentry/tls_data_ready", data_ready, data_arrives)
/* A header that is no record header: the connection is dead. */
HOOK("fentry/tls_strp_abort_strp", abort_strp, parser_aborts)
/* Opening begins; finds the reader's memory. */
HOOK("fentry/tls_rx_one_record", open_enter, open_begins)
/* Opened: type, length, process, plaintext; or the error. */
HOOK_TWICE("fexit/tls_rx_one_record", open_exit, open_ends)
/* Opened by asynchronous crypto: time, plaintext. */
HOOK("fentry/tls_decrypt_done", decrypt_done, decryption_ends)
/* The call returns: reports its last record. */
HOOK("fexit/tls_sw_recvmsg", recvmsg_exit, recvmsg_returns)
/* The same. */
HOOK("fexit/tls_sw_splice_read", splice_read_exit, splice_read_returns)
/* The same, from 6.6. */
HOOK("fexit/tls_sw_read_sock", read_sock_exit, read_sock_returns)

/* ---- what a network card seals and opens ---- */

/* The kernel offers receiving to a card: software set up until the exit belongs to the card. */
HOOK("fentry/tls_set_device_offload_rx", card_rx_enter, card_rx_begins)
/* The card has answered. */
HOOK("fexit/tls_set_device_offload_rx", card_rx_exit, card_rx_ends)
/* First byte of a record that a card seals. */
HOOK("fentry/tls_device_sendmsg", card_sendmsg_enter, card_sendmsg_begins)
/* The call fails, or its last record ends. */
HOOK("fexit/tls_device_sendmsg", card_sendmsg_exit, card_send_returns)
/* The same for pages, on 6.1. */
HOOK("fentry/tls_device_sendpage", card_sendpage_enter, card_sendpage_begins)
HOOK("fexit/tls_device_sendpage", card_sendpage_exit, card_send_returns)
/* Stages off: a card's record is closed and numbered, and goes to TCP. */
HOOK("fentry/tls_push_sg", card_push_enter, card_push_begins)
/* TCP has a card's record. */
HOOK("fexit/tls_push_sg", card_push_exit, card_push_ends)
/* How much of a received record a card opened. */
HOOK("tp_btf/tls_device_decrypted", card_decrypted, device_decrypted)
/* The kernel tells a card where a record begins. */
HOOK("tp_btf/tls_device_rx_resync_send", card_rx_resync, rx_resync_begins)
/* A card asks where a record begins. */
HOOK("tp_btf/tls_device_tx_resync_req", card_tx_resync, tx_resync_begins)
/* The kernel seals a packet that leaves through another card. */
HOOK("fexit/tls_validate_xmit_skb", card_rerouted, packet_validated)
/* The kernel seals a packet after the card was removed. */
HOOK("fexit/tls_validate_xmit_skb_sw", card_down_xmit, packet_validated)
/* The kernel seals a packet that the driver left to it. */
HOOK("fexit/tls_encrypt_skb", card_fallback, fallback_done)

/* ---- life of a connection ---- */

/* Gives the socket its cookie; a refused TLS. */
HOOK("fexit/tcp_set_ulp", set_ulp, ulp_is_set)
/* A direction has its first key (open) or a new one (rekey). */
HOOK("fexit/tls_set_sw_offload", set_sw_offload, sw_offload_ends)
/* A card has a direction (open); no padding expected; a refused key or option. */
HOOK("fexit/tls_setsockopt", option_set, option_is_set)
/* A refused option. */
HOOK("fexit/tls_getsockopt", option_get, option_read)
/* The kernel has given up the connection. */
HOOK("fentry/tls_err_abort", err_abort, abort_begins)
/* The peer has reset the connection. */
HOOK("fentry/tcp_reset", reset_enter, reset_comes)
/* A send call found no room, or failed while it waited. */
HOOK("fexit/sk_stream_wait_memory", wait_exit, wait_ends)
/* Last sequences. */
HOOK("fentry/tls_sk_proto_close", close_enter, close_begins)
/* Reports the close and frees the state, while the socket still exists. */
HOOK("fentry/tls_sw_free_ctx_tx", free_tx, side_freed)
/* The same. */
HOOK("fentry/tls_sw_free_ctx_rx", free_rx, side_freed)
/* The same, for connections that the hooks above missed. */
HOOK("fentry/tls_ctx_free", ctx_free, free_begins)
/* The same, for connections with a card. */
HOOK("fexit/tls_sk_proto_close", close_exit, close_ends)

SEC("iter/task_file")
int inventory(struct bpf_iter__task_file *ctx) { return inventory_file(ctx); }

SEC("iter/tcp")
int inventory_connected(struct bpf_iter__tcp *ctx) { return inventory_tcp(ctx); }

/* ---- for user space ---- */

SEC("syscall")
int read_variable(struct variable *arg) { return get_variable(arg); }

SEC("syscall")
int read_held(struct held_arg *arg) { return get_held(arg); }

SEC("syscall")
int report_failures(struct suppressed_arg *arg) { return report_all_suppressed(arg); }

SEC("syscall")
int match_once(struct match_arg *arg) { return match_event_once(arg); }

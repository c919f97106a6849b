/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The programs for DTLS. They watch the module af_ktls, which is not part of the kernel
 * and can be loaded at any time. They are an object of their own, which is loaded only
 * when the module is there. The hooks that a record passes:
 *
 *   send  afktls_tx_record  sealing begins; at its exit sealed
 *         afktls_tx_push    at its exit handed to UDP
 *   recv  afktls_rx_record  a datagram arrived and opening begins; at its exit opened
 *         afktls_deliver    a reader has it
 *         afktls_drop       nobody will read it
 */
#include "ktls_dtls_life.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const struct dtls_conn *export_type __attribute__((unused)); /* exports the type to Go */

#define HOOK(section, name, handler) SEC(section) int name(u64 *ctx) { return handler(ctx); }

HOOK("fentry/afktls_tx_record", dtls_tx_record_enter, dtls_seals)
HOOK("fexit/afktls_tx_record", dtls_tx_record_exit, dtls_sealed)
HOOK("fexit/afktls_tx_push", dtls_tx_push_exit, dtls_pushed)
HOOK("fentry/afktls_rx_record", dtls_rx_record_enter, dtls_opens)
HOOK("fexit/afktls_rx_record", dtls_rx_record_exit, dtls_opens_end)
HOOK("fentry/afktls_deliver", dtls_deliver_enter, dtls_delivers)
HOOK("fentry/afktls_drop", dtls_drop_enter, dtls_drops)
HOOK("fentry/afktls_attach", dtls_attach_enter, dtls_attaches)
HOOK("fentry/afktls_key", dtls_key_enter, dtls_key_set)
HOOK("fentry/afktls_detach", dtls_detach_enter, dtls_detaches)

SEC("iter/task_file")
int dtls_inventory(struct bpf_iter__task_file *ctx) { return dtls_inventory_file(ctx); }

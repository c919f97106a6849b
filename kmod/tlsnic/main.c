// SPDX-License-Identifier: GPL-2.0-only
/* The module: two ends of a cable, and the faults that a test may switch on. */
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include "tlsnic.h"

static struct tlsnic_end *ends[2];

/*
 * Each parameter has a number for each end: echo 0,5 > /sys/module/tlsnic/parameters/drop_every drops each fifth packet
 * with data of TCP on its way to tlsnic1. A large send (TSO) counts as one packet.
 */
#define FAULT(fault, name, what)                        \
	static int name##_every[2];                     \
	module_param_array(name##_every, int, NULL, 0644); \
	MODULE_PARM_DESC(name##_every, what)

FAULT(FAULT_DROP, drop, "on the cable: a packet is lost");
FAULT(FAULT_CORRUPT, corrupt, "on the cable: the last byte changes, behind the checksum's back");
FAULT(FAULT_REORDER, reorder, "on the cable: the next packet overtakes this one");
FAULT(FAULT_LEAVE, leave, "the receiving card keeps its place, but leaves a packet as it is");
FAULT(FAULT_LOSE, lose, "the receiving card loses its place");
FAULT(FAULT_MISS, miss, "a packet is lost before the sending card has seen it");

bool tlsnic_hints;
module_param_named(hints, tlsnic_hints, bool, 0644);
MODULE_PARM_DESC(hints, "a receiving card that has lost its place asks nothing, and waits for the kernel's hints");

static const struct {
	int *every;
	enum tlsnic_counter counter;
} faults[] = {
	[FAULT_DROP] = { drop_every, TLSNIC_fault_drop },
	[FAULT_CORRUPT] = { corrupt_every, TLSNIC_fault_corrupt },
	[FAULT_REORDER] = { reorder_every, TLSNIC_fault_reorder },
	[FAULT_LEAVE] = { leave_every, TLSNIC_fault_leave },
	[FAULT_LOSE] = { lose_every, TLSNIC_fault_lose },
	[FAULT_MISS] = { miss_every, TLSNIC_fault_miss },
};

/* Says whether a fault strikes the packet of this number at an end, and counts it. */
bool tlsnic_fault(struct tlsnic_end *end, enum tlsnic_fault fault, u64 packet)
{
	int every = READ_ONCE(faults[fault].every[end->index]);
	u64 rest = packet;

	if (every <= 0 || do_div(rest, every))
		return false;
	tlsnic_count(end, faults[fault].counter, 1);
	return true;
}

static int __init tlsnic_init(void)
{
	int err;

	err = tlsnic_create(&ends[0], 0) ?: tlsnic_create(&ends[1], 1);
	if (err)
		goto free;
	ends[0]->peer = ends[1];
	ends[1]->peer = ends[0];
	rtnl_lock();
	err = register_netdevice(ends[0]->dev);
	if (!err) {
		err = register_netdevice(ends[1]->dev);
		if (err)
			unregister_netdevice(ends[0]->dev);
	}
	rtnl_unlock();
	if (!err)
		return 0;
free:
	for (int i = 0; i < 2; i++)
		if (ends[i])
			free_netdev(ends[i]->dev);
	return err;
}

/* Both ends go at once: after that no packet is on its way from either. */
static void __exit tlsnic_exit(void)
{
	LIST_HEAD(both);

	rtnl_lock();
	for (int i = 0; i < 2; i++)
		unregister_netdevice_queue(ends[i]->dev, &both);
	unregister_netdevice_many(&both);
	rtnl_unlock();
	for (int i = 0; i < 2; i++) {
		kfree_skb(ends[i]->held);
		free_netdev(ends[i]->dev);
	}
}

module_init(tlsnic_init);
module_exit(tlsnic_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Simulated network card with TLS offload, for tests");

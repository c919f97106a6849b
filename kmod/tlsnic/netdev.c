// SPDX-License-Identifier: GPL-2.0-only
/* The devices of both ends, and what ethtool asks of them. */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include "tlsnic.h"

/* What one packet of a large send may have, so that its copy is found in memory. */
#define MAX_SEND 32768

static int tlsnic_up(struct net_device *dev)
{
	netif_carrier_on(dev);
	netif_start_queue(dev);
	return 0;
}

static int tlsnic_down(struct net_device *dev)
{
	netif_stop_queue(dev);
	netif_carrier_off(dev);
	return 0;
}

static netdev_tx_t tlsnic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct tlsnic_end *end = netdev_priv(dev);

	skb = tlsnic_seal(end, skb);
	if (skb)
		tlsnic_send(end, skb);
	else
		dev->stats.tx_dropped++;
	return NETDEV_TX_OK;
}

static const struct net_device_ops tlsnic_netdev_ops = {
	.ndo_open = tlsnic_up,
	.ndo_stop = tlsnic_down,
	.ndo_start_xmit = tlsnic_xmit,
	.ndo_set_mac_address = eth_mac_addr,
};

#define NAME(name) #name,
static const char counter_names[][ETH_GSTRING_LEN] = { TLSNIC_COUNTERS(NAME) };

static int tlsnic_counter_number(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? TLSNIC_COUNTER_NR : -EOPNOTSUPP;
}

static void tlsnic_counter_names(struct net_device *dev, u32 set, u8 *names)
{
	if (set == ETH_SS_STATS)
		memcpy(names, counter_names, sizeof(counter_names));
}

static void tlsnic_counter_values(struct net_device *dev, struct ethtool_stats *stats, u64 *values)
{
	struct tlsnic_end *end = netdev_priv(dev);

	for (int i = 0; i < TLSNIC_COUNTER_NR; i++)
		values[i] = atomic64_read(&end->counters[i]);
}

static void tlsnic_driver(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "tlsnic", sizeof(info->driver));
}

const struct ethtool_ops tlsnic_ethtool_ops = {
	.get_drvinfo = tlsnic_driver,
	.get_link = ethtool_op_get_link,
	.get_sset_count = tlsnic_counter_number,
	.get_strings = tlsnic_counter_names,
	.get_ethtool_stats = tlsnic_counter_values,
};

static void tlsnic_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &tlsnic_netdev_ops;
	dev->ethtool_ops = &tlsnic_ethtool_ops;
	dev->tlsdev_ops = &tlsnic_tls_ops;
	dev->features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_HIGHDMA | NETIF_F_TSO | NETIF_F_TSO6 |
			NETIF_F_HW_TLS_TX | NETIF_F_HW_TLS_RX;
	dev->hw_features = dev->features;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	netif_set_tso_max_size(dev, MAX_SEND);
	eth_hw_addr_random(dev);
}

int tlsnic_create(struct tlsnic_end **end, int index)
{
	struct net_device *dev;

	dev = alloc_netdev(sizeof(**end), index ? "tlsnic1" : "tlsnic0", NET_NAME_USER, tlsnic_setup);
	if (!dev)
		return -ENOMEM;
	*end = netdev_priv(dev);
	(*end)->dev = dev;
	(*end)->index = index;
	spin_lock_init(&(*end)->lock);
	INIT_LIST_HEAD(&(*end)->conns);
	return 0;
}

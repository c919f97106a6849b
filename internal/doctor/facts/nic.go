package facts

import (
	"net"

	"github.com/safchain/ethtool"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// NICs are the network interfaces in this process's namespace that report whether they
// can seal and open.
func NICs(notSeen *[]string) (found []doctor.NIC) {
	interfaces, err := net.Interfaces()
	if err != nil {
		*notSeen = append(*notSeen, "network interfaces: "+err.Error())
		return nil
	}
	tool, err := ethtool.NewEthtool()
	if err != nil {
		*notSeen = append(*notSeen, "features of network cards: "+err.Error())
		return nil
	}
	defer tool.Close()
	for _, i := range interfaces {
		features, err := tool.FeaturesWithState(i.Name)
		if err != nil || i.Flags&net.FlagLoopback != 0 {
			continue // it has none
		}
		tx, rx := features["tls-hw-tx-offload"], features["tls-hw-rx-offload"]
		found = append(found, doctor.NIC{Name: i.Name, TX: tx.Active, RX: rx.Active, FixedTX: fixed(tx), FixedRX: fixed(rx)})
	}
	return found
}

// fixed as ethtool shows it: the feature does not exist, or cannot be changed.
func fixed(s ethtool.FeatureState) bool { return !s.Available || s.NeverChanged }

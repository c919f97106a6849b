//go:build gobpf

package learn

import (
	"fmt"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// learnKeys: the arguments of tls_set_sw_offload.
func (n *learner) learnKeys() error {
	for i := range 2 {
		if err := n.sampleKeys(i); err != nil {
			return err
		}
	}
	if err := n.settings("set_tx_arg"); err != nil {
		return err
	}
	n.Settings["set_update_arg"] = 0
	if n.found["set_update_arg"] == nil {
		return nil // this kernel cannot change keys
	}
	return n.settings("set_update_arg")
}

func (n *learner) sampleKeys(i int) error {
	k, err := connect(loopback(3, byte(1+i)), loopback(4, byte(1+i)))
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return err
	}
	info := keyInfo(samples[0].version, samples[0].cipher, 5)
	first := map[bool]*seen{}
	for _, tx := range []bool{true, false} {
		if err := n.forget(probeSet); err != nil {
			return err
		}
		if tx {
			err = raw.Enable(k.a.file, &info, nil)
		} else {
			err = raw.Enable(k.b.file, nil, &info)
		}
		if err != nil {
			return err
		}
		if first[tx], err = n.last(probeSet); err != nil {
			return fmt.Errorf("tls_set_sw_offload: %w", err)
		}
		n.note("set_tx_arg", argumentsEqual(first[tx], 1, 2, uint32(object.BoolInt(tx))))
	}
	return n.sampleRekey(k, &info, first[true])
}

// sampleRekey sets a key again: then an argument that was nil before is not.
func (n *learner) sampleRekey(k *connection, info *raw.CryptoInfo, first *seen) error {
	if err := n.forget(probeSet); err != nil {
		return err
	}
	if raw.SetKeys(k.a.file, raw.TX, info) != nil {
		return nil
	}
	again, err := n.last(probeSet)
	if err != nil {
		return fmt.Errorf("tls_set_sw_offload: %w", err)
	}
	var at []int
	for i := 1; i <= 3; i++ {
		if first.arg[i] == 0 && isKernel(again.arg[i]) {
			at = append(at, i)
		}
	}
	n.note("set_update_arg", at)
	return nil
}

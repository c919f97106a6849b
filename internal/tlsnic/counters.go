package tlsnic

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/safchain/ethtool"
)

// Counters are what the card counts by name, such as tx_tls_encrypted_packets (ethtool -S; kmod/tlsnic/tlsnic.h has all).
func (e *End) Counters(t testing.TB) (counters map[string]uint64) {
	t.Helper()
	e.ethtool(t, func(tool *ethtool.Ethtool) (err error) {
		counters, err = tool.Stats(e.Name)
		return err
	})
	return counters
}

// Stat are the counters of the kernel's TLS in the end's namespace, such as TlsTxDevice (/proc/net/tls_stat).
func (e *End) Stat(t testing.TB) map[string]uint64 {
	t.Helper()
	counters := map[string]uint64{}
	e.Do(t, func() {
		text, err := os.ReadFile("/proc/thread-self/net/tls_stat")
		must(t, err)
		for line := range strings.Lines(string(text)) {
			var name string
			var n uint64
			if _, err := fmt.Sscan(line, &name, &n); err != nil {
				t.Fatalf("tls_stat has the line %q", line)
			}
			counters[name] = n
		}
	})
	return counters
}

// Features of a card, by the names that ethtool has for them.
const (
	TX  = "tls-hw-tx-offload"
	RX  = "tls-hw-rx-offload"
	TSO = "tx-tcp-segmentation"
)

// Feature switches a feature of the card on or off. It concerns connections that get their keys afterwards.
func (e *End) Feature(t testing.TB, name string, on bool) {
	t.Helper()
	e.ethtool(t, func(tool *ethtool.Ethtool) error { return tool.Change(e.Name, map[string]bool{name: on}) })
}

func (e *End) ethtool(t testing.TB, f func(*ethtool.Ethtool) error) {
	t.Helper()
	e.Do(t, func() {
		tool, err := ethtool.NewEthtool()
		must(t, err)
		defer tool.Close()
		must(t, f(tool))
	})
}

// A Fault is something that can be made to go wrong with packets that carry data of TCP; kmod/tlsnic/main.c says more.
type Fault string

const (
	Drop    Fault = "drop"    // lost on the cable
	Corrupt Fault = "corrupt" // its last byte changes
	Reorder Fault = "reorder" // the next one overtakes it
	Leave   Fault = "leave"   // the receiving card does not open it, but keeps its place
	Lose    Fault = "lose"    // the receiving card loses its place
	Miss    Fault = "miss"    // lost before the sending card has seen it: the number is that of the end that sends
)

// Fault lets a fault strike each so manieth packet on its way to A and to B; 0 is never.
func (c *Cable) Fault(t testing.TB, f Fault, a, b int) {
	t.Helper()
	c.module.Set(t, string(f)+"_every", fmt.Sprintf("%d,%d", a, b))
}

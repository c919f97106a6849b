//go:build gobpf

// Package learn finds the offsets that the programs need in a kernel without type
// information: it makes records of its own and looks for them in the kernel's memory.
// It stores the result for the next run.
package learn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/module"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Knowledge is the learned layout of a kernel.
type Knowledge struct {
	Layout *module.Offsets `json:"layout"`
	// Settings are constants of the programs that follow from the kernel.
	Settings map[string]uint64 `json:"settings"`
	// Missing says, in words, what could not be learned, and the consequences.
	Missing []string `json:"missing"`
}

// Plaintext reports whether the programs can read plaintexts.
func (k *Knowledge) Plaintext() bool {
	_, sent := k.Layout.Fields["sk_msg_sg.data"]
	_, received := k.Layout.Fields["skb_shared_info.frags"]
	_, direct := k.Layout.Fields["iov_iter.iter_type"]
	return sent && received && direct && k.Settings["page_offset_base"] != 0
}

// learner watches records that it makes itself, looks in the kernel's memory for their
// known values, and accepts a place only if it is the one place that every sample
// allows.
type learner struct {
	*prober
	*Knowledge
	found  map[string]*candidates[int]
	chains candidates[chain]
	pushes []pushed
	pages  object.Pages // zeros: not known
}

// learn learns the layout of the running kernel.
func learn(p *prober, pages object.Pages) (*Knowledge, error) {
	n := &learner{prober: p, pages: pages, found: map[string]*candidates[int]{},
		Knowledge: &Knowledge{Layout: module.NewOffsets(), Settings: map[string]uint64{"stack_size": 16384}}}
	// All of them, so that the error names everything that is unknown.
	err := errors.Join(n.learnSockets(), n.learnSend(), n.learnReceive())
	if err != nil {
		what := strings.ReplaceAll(err.Error(), "\n", "; ")
		return nil, &module.Unsupported{What: "cannot learn how this kernel lays out what is traced: " + what,
			Hint: "use a kernel with type information (CONFIG_DEBUG_INFO_BTF=y) and the ebpf backend", Setting: "Backend", Err: err}
	}
	return n.Knowledge, nil
}

// note takes one sample of a field.
func (n *learner) note(field string, places []int) {
	if n.found[field] == nil {
		n.found[field] = &candidates[int]{}
	}
	n.found[field].add(places)
}

// need resolves fields without which there is nothing to trace.
func (n *learner) need(fields ...string) error {
	var unknown []string
	for _, f := range fields {
		place, ok := n.resolved(f)
		if !ok {
			unknown = append(unknown, fmt.Sprintf("%s %s", f, n.ambiguity(f)))
			continue
		}
		n.Layout.Set(f, place)
	}
	if unknown != nil {
		return errors.New(strings.Join(unknown, ", "))
	}
	return nil
}

func (n *learner) resolved(field string) (int, bool) {
	if n.found[field] == nil {
		return 0, false
	}
	return n.found[field].only()
}

func (n *learner) ambiguity(field string) string {
	c := n.found[field]
	if c == nil || len(c.remaining) == 0 {
		return "(not found)"
	}
	return fmt.Sprintf("(%d places)", len(c.remaining))
}

// want resolves a field, or reports what is missing without it.
func (n *learner) want(field, without string) bool {
	if err := n.need(field); err != nil {
		n.Missing = append(n.Missing, err.Error()+": "+without)
		return false
	}
	return true
}

// samples are the connections that learning uses: two versions, two ciphers.
var samples = []struct {
	version uint16
	cipher  raw.Cipher
	typ     byte // of a record
}{
	{tls.VersionTLS13, raw.AES128GCM, 23},
	{tls.VersionTLS12, raw.AES256GCM, 22},
	{tls.VersionTLS12, raw.AES128GCM, 100},
	{tls.VersionTLS13, raw.AES256GCM, 21},
	{tls.VersionTLS13, raw.AES128GCM, 77},
	{tls.VersionTLS12, raw.AES256GCM, 23},
}

func loopback(c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 201, c, d}) }

// open makes the i-th sample's connection with the keys of one direction on each end.
func (n *learner) open(i int) (*connection, error) {
	s := samples[i%len(samples)]
	k, err := connect(loopback(byte(10+i), 77), loopback(byte(130+i), 88))
	if err != nil {
		return k, err
	}
	k.info = keyInfo(s.version, s.cipher, 0x0102030405060000+uint64(i)<<9)
	if err := errors.Join(raw.Enable(k.a.file, &k.info, nil), raw.Enable(k.b.file, nil, &k.info)); err != nil {
		return k, err
	}
	return k, errors.Join(n.identify(k.a), n.identify(k.b))
}

// withConnection runs a step of learning on the i-th sample.
func (n *learner) withConnection(i int, step func(k *connection) error) error {
	k, err := n.open(i)
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return err
	}
	return step(k)
}

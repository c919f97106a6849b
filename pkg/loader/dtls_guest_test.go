package loader

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// TestDTLSLoads: the kernel takes the programs, whatever a run asks for.
func TestDTLSLoads(t *testing.T) {
	needGuest(t)
	kmodtest.Load(t, "af_ktls")
	port := Filter{Port: 443}
	for _, cfg := range []*Config{{}, {Snaplen: 256}, {Snaplen: MaxSnaplen, Filter: port}, {ListOnly: true}} {
		d := newDatagrams(cfg)
		if err := d.start(t.Context()); err != nil {
			var v *ebpf.VerifierError
			if errors.As(err, &v) {
				t.Errorf("%+v", v)
			}
			t.Errorf("%+v: %v", cfg, err)
		}
		d.close()
	}
	kernel, err := loadTypes()
	if err != nil {
		t.Fatal(err)
	}
	if s := selfDatagrams(kernel); !dtlsThere() || !s.Loads || s.Programs != len(dtlsHooks)+1 || s.Why != "" {
		t.Errorf("there %v, %+v", dtlsThere(), s)
	}
}

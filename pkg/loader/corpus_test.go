//go:build !guest

package loader

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/corpus"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
)

// The programs find in every kernel of the corpus what they name there: each
// hook that the kernel has, relocated against its types, without an instruction
// that the verifier would come to and that finds nothing.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/btf/*.btf")
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range debianSeries(t) {
		if file := "testdata/btf/debian-" + series + "-amd64.btf"; !slices.Contains(files, file) {
			t.Errorf("there is no %s: make btf KERNELS=%s", file, series)
		}
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			spec, hooks := fitting(t, corpusTypes(t, file))
			for _, h := range hooks {
				for _, name := range object.Copies(h.program) {
					if p := spec.Programs[name]; p != nil {
						check(t, p, corpusTypes(t, file))
					}
				}
			}
			check(t, spec.Programs[inventoryProgram], corpusTypes(t, file))
			check(t, spec.Programs[connectedProgram], corpusTypes(t, file))
			checkWatch(t, file)
		})
	}
}

// checkWatch is the same of the programs of doctor.
func checkWatch(t *testing.T, file string) {
	t.Helper()
	spec, err := object.LoadDoctor()
	if err != nil {
		t.Fatal(err)
	}
	kernel := &types{tls: corpusTypes(t, file), vmlinux: corpusTypes(t, file)}
	for _, h := range watchHooks {
		if kernel.function(h.function, h.vmlinux) == nil {
			if h.alternative != absent {
				t.Errorf("%s: the kernel has no %s", h.program, h.function)
			}
			continue
		}
		check(t, spec.Programs[h.program], corpusTypes(t, file))
	}
	if len(spec.Programs) != len(watchHooks) {
		t.Errorf("%d programs, and %d hooks", len(spec.Programs), len(watchHooks))
	}
}

// debianSeries are the kernels that the project can have whenever it wants.
func debianSeries(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../internal/vm/kernels.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(line, "#") {
			names = append(names, fields[0])
		}
	}
	if len(names) < 7 {
		t.Fatalf("kernels.txt names %q only", names)
	}
	return names
}

func corpusTypes(t *testing.T, file string) *btf.Spec {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := btf.LoadSpecFromReader(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return spec
}

// fitting is the object as the loader cuts it for a kernel.
func fitting(t *testing.T, kernel *btf.Spec) (*ebpf.CollectionSpec, []hook) {
	t.Helper()
	spec, err := object.LoadKtls()
	if err != nil {
		t.Fatal(err)
	}
	all := &types{tls: kernel, vmlinux: kernel}
	hooks, _, err := choose(spec, all)
	if err != nil {
		t.Fatal(err)
	}
	if err := setArguments(spec, all); err != nil {
		t.Fatal(err)
	}
	return spec, hooks
}

func check(t *testing.T, p *ebpf.ProgramSpec, kernel *btf.Spec) {
	t.Helper()
	missing, err := corpus.Missing(p.Instructions, kernel)
	if err != nil {
		t.Errorf("%s: %v", p.Name, err)
	}
	for _, m := range missing {
		t.Errorf("%s reads what this kernel has not: %s", p.Name, m)
	}
}

// A kernel from before the crypto completions' change has no tls_decrypt_ctx.sk:
// the hook that reads it is the one that does not fit, and no other.
func TestCorpusSeesWhatLacks(t *testing.T) {
	const file = "testdata/btf/debian-6.1-amd64.btf"
	kernel := corpusTypes(t, file)
	var ctx *btf.Struct
	if err := kernel.TypeByName("tls_decrypt_ctx", &ctx); err != nil {
		t.Fatal(err)
	}
	ctx.Members = slices.DeleteFunc(ctx.Members, func(m btf.Member) bool { return m.Name == "sk" })
	spec, hooks := fitting(t, kernel)
	for _, h := range hooks {
		missing, err := corpus.Missing(spec.Programs[h.program].Instructions, kernel)
		if err != nil {
			t.Errorf("%s: %v", h.program, err)
		}
		if lacks := len(missing) > 0; lacks != (h.program == "decrypt_done") {
			t.Errorf("%s: %v", h.program, missing)
		}
	}
}

// On a kernel from before 6.0 the types are there and the function that opens a
// record is not: one line says why that is the end, and what to do.
func TestKernelTooOld(t *testing.T) {
	kernel := corpusTypes(t, "testdata/btf/debian-6.1-amd64.btf")
	older := without(t, kernel, openFunction)
	_, _, err := choose(objecttest.Object(t), &types{tls: older, vmlinux: older})
	const want = "this kernel's TLS code is older than Linux 6.0: it has no function tls_rx_one_record, which opens records; use Linux 6.0 or later"
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if _, _, err := choose(objecttest.Object(t), &types{tls: kernel, vmlinux: kernel}); err != nil {
		t.Errorf("with that function: %v", err)
	}
}

// without is a kernel's types less a function.
func without(t *testing.T, kernel *btf.Spec, function string) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for typ, err := range kernel.All() {
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := typ.(*btf.Func); ok && f.Name == function {
			continue
		}
		if _, err := b.Add(typ); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

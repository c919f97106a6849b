package imports

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/ktlstop/ktlstop/"

// rule says which packages of this module a directory, and what lies below it,
// may import. The rule of the longest matching directory holds.
type rule struct {
	dir string
	// may lists packages of this module; "..." stands for all.
	may []string
	// tests lists what the tests may import besides.
	tests []string
	// why is the reason, which ARCHITECTURE.md draws or names.
	why string
}

var rules = []rule{
	{dir: "pkg/event", why: "pkg/event is what all others speak, and knows none of them"},
	{dir: "pkg/ktls", may: []string{"pkg/ktls/internal/kernel", "pkg/ktls/raw"}, tests: []string{"pkg/ktls/internal/ktlstest", "pkg/ktls/ktlshttp"},
		why: "pkg/ktls is a module of its own and imports nothing of the tracer's"},
	{dir: "pkg/ktls/internal/kernel", why: "pkg/ktls/internal/kernel makes system calls, and does not know what for"},
	{dir: "pkg/ktls/internal/ktlstest", why: "pkg/ktls/internal/ktlstest prepares tests, and does not know what they test"},
	{dir: "pkg/ktls/ktlshttp", may: []string{"pkg/ktls"}, why: "pkg/ktls/ktlshttp joins net/http and pkg/ktls"},
	{dir: "pkg/ktls/raw", may: []string{"pkg/ktls/internal/kernel"}, tests: []string{"pkg/ktls/internal/ktlstest"},
		why: "pkg/ktls/raw sets keys and moves records, and knows no handshake"},
	{dir: "pkg/loader", may: []string{"pkg/event", "internal/match", "pkg/loader/internal/assemble", "pkg/loader/internal/compile",
		"pkg/loader/internal/gobpf", "pkg/loader/internal/meter", "pkg/loader/internal/namespace", "pkg/loader/internal/object", "pkg/loader/internal/ring",
		"pkg/loader/internal/sums", "pkg/loader/internal/wire"},
		tests: []string{"internal/guesttest", "internal/kmodtest", "internal/match/matchtest", "pkg/ktls", "pkg/ktls/raw", "pkg/loader/internal/corpus", "pkg/loader/internal/gobpf/module", "pkg/loader/internal/objecttest"},
		why:   "pkg/loader reports events and does not know who takes them; it takes internal/match's expressions"},
	{dir: "pkg/loader/internal/assemble", may: []string{"pkg/event", "internal/lru", "internal/match", "pkg/loader/internal/wire"},
		why: "pkg/loader/internal/assemble joins what belongs together, and does not know where it comes from"},
	{dir: "pkg/loader/internal/compile", may: []string{"pkg/event", "internal/match", "pkg/loader/internal/object", "pkg/loader/internal/wire"},
		tests: []string{"internal/match/matchtest", "pkg/loader/internal/objecttest"},
		why:   "pkg/loader/internal/compile turns expressions into code, and does not know who loads it"},
	{dir: "pkg/loader/internal/corpus", may: []string{"internal/bzimage"}, why: "pkg/loader/internal/corpus fits programs to types, and does not know which"},
	{dir: "pkg/loader/internal/corpus/cmd", may: []string{"pkg/loader/internal/corpus", "pkg/loader/internal/object"},
		why: "pkg/loader/internal/corpus/cmd writes down a kernel's types for the object's programs"},
	{dir: "pkg/loader/internal/gobpf", may: []string{"pkg/event", "pkg/loader/internal/gobpf/learn", "pkg/loader/internal/gobpf/module", "pkg/loader/internal/object", "pkg/loader/internal/wire"},
		why: "pkg/loader/internal/gobpf traces by kprobes, and does not know for whom"},
	{dir: "pkg/loader/internal/gobpf/learn", may: []string{"pkg/ktls/raw", "pkg/loader/internal/gobpf/module", "pkg/loader/internal/object"},
		why: "pkg/loader/internal/gobpf/learn learns from records of pkg/ktls/raw, and does not know what for"},
	{dir: "pkg/loader/internal/gobpf/module", may: []string{"pkg/loader/internal/object"}, why: "pkg/loader/internal/gobpf/module loads programs, and does not know what they do"},
	{dir: "pkg/loader/internal/meter", may: []string{"pkg/event", "pkg/loader/internal/object"}, why: "pkg/loader/internal/meter measures programs, and does not know what they report"},
	{dir: "pkg/loader/internal/namespace", why: "pkg/loader/internal/namespace enters namespaces, and does not know what for"},
	{dir: "pkg/loader/internal/ring", may: []string{"pkg/loader/internal/object"}, why: "pkg/loader/internal/ring reads events, and does not know what they say"},
	{dir: "pkg/loader/internal/sums", may: []string{"pkg/event", "pkg/loader/internal/wire"}, why: "pkg/loader/internal/sums reads a map, and does not know who fills it"},
	{dir: "pkg/loader/internal/object", why: "pkg/loader/internal/object holds the programs, and nothing that knows them"},
	{dir: "pkg/loader/internal/objecttest", may: []string{"pkg/loader/internal/object"}, why: "pkg/loader/internal/objecttest reads the object and the C headers for tests"},
	{dir: "pkg/loader/internal/wire", may: []string{"pkg/event", "pkg/loader/internal/object"}, tests: []string{"pkg/loader/internal/objecttest"},
		why: "pkg/loader/internal/wire gives the object's structs their meaning"},
	{dir: "internal/hint", may: []string{"pkg/event", "internal/lru"}, why: "internal/hint concludes from events, and does not know who shows it"},
	{dir: "internal/doctor", may: []string{"pkg/event", "internal/doctor/hello", "internal/safe"}, tests: []string{"internal/sink/schematest"},
		why: "internal/doctor concludes from facts, and does not know where they come from"},
	{dir: "internal/doctor/facts", may: []string{"pkg/event", "internal/doctor"}, why: "internal/doctor/facts looks at hosts, and does not know who asks"},
	{dir: "internal/doctor/hello", why: "internal/doctor/hello reads messages and nothing else"},
	{dir: "internal/match", may: []string{"pkg/event", "internal/nearest"}, tests: []string{"internal/match/matchtest"}, why: "internal/match knows expressions and records, and not where they come from"},
	{dir: "internal/match/matchtest", why: "internal/match/matchtest makes expressions, as text"},
	{dir: "internal/flow", may: []string{"pkg/event", "internal/lru"}, why: "internal/flow takes events and does not know where they come from"},
	{dir: "internal/flight", may: []string{"pkg/event", "internal/flow", "internal/match", "internal/sink"}, tests: []string{"internal/source"},
		why: "internal/flight keeps events, and does not know where they come from"},
	{dir: "internal/packet", may: []string{"pkg/event", "internal/lru"}, why: "internal/packet makes packets of events, and does not know who takes them"},
	{dir: "internal/tap", may: []string{"pkg/event", "internal/packet"}, why: "internal/tap sends packets"},
	{dir: "internal/source", may: []string{"pkg/event"}, tests: []string{"internal/sink"},
		why: "internal/source makes events of what internal/sink wrote, and does not know who takes them"},
	{dir: "internal/sink", may: []string{"pkg/event", "internal/flow", "internal/inspect/finding", "internal/packet", "internal/safe", "internal/units"},
		tests: []string{"internal/sink/schematest", "internal/source", "docs/schema"},
		why:   "internal/sink writes events, packets and snapshots; the schema is its tests' business"},
	{dir: "internal/sink/schematest", may: []string{"docs/schema"}, why: "internal/sink/schematest checks JSON against the schema, and nothing else"},
	{dir: "internal/inspect", may: []string{"pkg/event", "internal/inspect/finding", "internal/inspect/nvme", "internal/inspect/rpc", "internal/lru", "internal/safe"}, tests: []string{"internal/inspect/recording"}, why: "internal/inspect turns records into streams and HTTP, and does not know where either goes"},
	{dir: "internal/inspect/nvme", may: []string{"pkg/event", "internal/inspect/finding"}, tests: []string{"internal/inspect/recording"},
		why: "internal/inspect/nvme reads NVMe/TCP, and does not know where bytes come from or who gets the results"},
	{dir: "internal/inspect/recording", may: []string{"pkg/event", "internal/source"}, why: "internal/inspect/recording reads recordings for tests"},
	{dir: "internal/inspect/rpc", may: []string{"pkg/event", "internal/inspect/finding"}, tests: []string{"internal/inspect/recording"},
		why: "internal/inspect/rpc reads ONC RPC, and does not know where bytes come from or who gets the results"},
	{dir: "internal/inspect/finding", may: []string{"pkg/event"}, why: "internal/inspect/finding holds the events that internal/inspect makes, for those who take them"},
	{dir: "internal/tui", may: []string{"pkg/event", "internal/flow", "internal/match", "internal/safe", "internal/tui/mute", "internal/units"}, tests: []string{"internal/pty"}, why: "internal/tui draws snapshots"},
	{dir: "internal/tui/mute", why: "internal/tui/mute has to be initialised first, and so imports nothing"},
	{dir: "internal/session", may: []string{"pkg/loader", "pkg/event", "internal/flow", "internal/hint", "internal/lru", "internal/match", "internal/names", "internal/sink", "internal/source", "internal/tap"},
		why: "internal/session owns a run and knows neither flags nor screens"},
	{dir: "internal/feed", may: []string{"pkg/event", "internal/flow", "internal/lru", "internal/match", "internal/sink"},
		tests: []string{"internal/inspect/finding", "internal/sink/schematest", "internal/source"},
		why:   "internal/feed hands events to readers, and does not know who traces"},
	{dir: "internal/otlp", may: []string{"pkg/event", "internal/flow", "internal/lru", "internal/safe"}, tests: []string{"internal/inspect/finding", "internal/sink"},
		why: "internal/otlp sends metrics and events away, and does not know who makes them"},
	{dir: "internal/metrics", may: []string{"pkg/event", "internal/flow", "internal/lru", "internal/safe"},
		why: "internal/metrics adds up events and sums, and does not know who reports them or who reads the metrics"},
	{dir: "internal/serve", why: "internal/serve answers requests, and does not know what its handlers show"},
	{dir: "internal/gen", may: []string{"pkg/ktls", "pkg/ktls/raw"}, why: "internal/gen makes traffic with pkg/ktls"},
	{dir: "internal/cgroup", may: []string{"internal/lru"}, why: "internal/cgroup reads paths of cgroups and nothing else"},
	{dir: "internal/kubelet", may: []string{"internal/lru"}, why: "internal/kubelet asks for pods, and does not know what for"},
	{dir: "internal/names", may: []string{"pkg/event", "internal/cgroup", "internal/kubelet", "internal/lru"},
		why: "internal/names gives processes their names, and does not know who shows them"},
	{dir: "internal/bench", may: []string{"pkg/ktls", "pkg/ktls/raw"}, why: "internal/bench measures pkg/ktls and knows nothing of the tracer"},
	{dir: "internal/pty", why: "internal/pty opens terminals and nothing else"},
	{dir: "internal/cost", may: []string{"pkg/ktls/raw", "internal/bench", "internal/pty"}, why: "internal/cost measures tracers from outside"},
	{dir: "internal/cost/probe", why: "internal/cost/probe runs programs of its own, and knows nothing of ours"},
	{dir: "internal/cost/cmd", may: []string{"internal/cost", "internal/cost/probe"}, why: "internal/cost/cmd is internal/cost's command line"},
	{dir: "internal/bench/cmd", may: []string{"internal/bench", "internal/cost"}, why: "internal/bench/cmd writes docs/bench.md"},
	{dir: "internal/readme", why: "internal/readme reads documents, and does not know what their commands do"},
	{dir: "internal/safe", why: "internal/safe is text and nothing else"},
	{dir: "internal/ending", why: "internal/ending obeys signals and knows nothing of what they end"},
	{dir: "internal/lru", why: "internal/lru is a map and nothing else"},
	{dir: "internal/manual", why: "internal/manual lays out pages, and does not know what they say"},
	{dir: "internal/nearest", why: "internal/nearest compares words and nothing else"},
	{dir: "internal/units", why: "internal/units is text and nothing else"},
	{dir: "internal/imports", why: "internal/imports holds only a test"},
	{dir: "internal/bzimage", why: "internal/bzimage unwraps files, and does not know what for"},
	{dir: "internal/vm", may: []string{"internal/bzimage", "internal/pty"}, why: "internal/vm boots machines and knows nothing of what runs in them"},
	{dir: "internal/vm/cmd", may: []string{"internal/vm"}, why: "internal/vm/cmd is internal/vm's command line"},
	{dir: "internal/guesttest", why: "internal/guesttest says on which kernels a test runs, and does not know which test"},
	{dir: "internal/kmodtest", why: "internal/kmodtest loads modules and does not know what for"},
	{dir: "internal/afktls", may: []string{"internal/kmodtest"}, why: "internal/afktls tests a kernel module and knows nothing of the tracer"},
	{dir: "internal/tlsnic", may: []string{"internal/kmodtest", "pkg/ktls/raw"}, why: "internal/tlsnic is the simulated card and knows nothing of the tracer"},
	{dir: "internal/observe", tests: []string{"internal/metrics", "internal/otlp", "pkg/event"}, why: "internal/observe draws metrics by their names; only its tests know who counts"},
	{dir: "internal/observe/cmd", may: []string{"internal/observe"}, why: "internal/observe/cmd is internal/observe's command line"},
	{dir: "docs/schema", why: "docs/schema holds a file"},
	{dir: "cmd", may: []string{"..."}, why: "cmd wires the others together; machines are internal/vm/cmd's business"},
	{dir: "e2e", may: []string{"pkg/ktls", "pkg/ktls/raw", "pkg/event", "internal/guesttest", "internal/match", "internal/kmodtest", "internal/pty", "internal/readme", "internal/sink/schematest", "internal/tlsnic"}, why: "e2e tests the program from outside, and asks internal/match for the reference; only cmd/ktlstop and internal/session import pkg/loader"},
	{dir: "e2e/programs", may: []string{"pkg/event", "internal/guesttest", "internal/source"}, why: "e2e/programs tests the program from outside, by what it wrote"},
}

// What "..." leaves out.
var exceptAll = []string{"cmd", "internal/afktls", "internal/guesttest", "internal/kmodtest", "internal/tlsnic", "internal/vm", "e2e"}

// foreign are packages of others that few packages of ours may know.
var foreign = []struct {
	prefix string
	only   []string
	why    string
}{
	{"github.com/cilium/ebpf", []string{"pkg/loader", "internal/cost/probe"}, "only pkg/loader knows of BPF, and internal/cost/probe of what a helper costs"},
	{"github.com/iovisor/gobpf", []string{"pkg/loader"}, "only pkg/loader knows of BPF"},
	{"github.com/aquasecurity/libbpfgo", []string{"pkg/loader"}, "only pkg/loader knows of BPF"},
}

// within reports whether a package is dir or lies below it.
func within(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func ruleOf(dir string) (best rule, found bool) {
	for _, r := range rules {
		if within(dir, r.dir) && len(r.dir) > len(best.dir) {
			best, found = r, true
		}
	}
	return best, found
}

func (r *rule) allows(pkg string, inTest bool) bool {
	if slices.Contains(r.may, "...") {
		return !slices.ContainsFunc(exceptAll, func(dir string) bool { return within(pkg, dir) })
	}
	return slices.Contains(r.may, pkg) || inTest && slices.Contains(r.tests, pkg)
}

// check returns what is wrong with one import of the file at name.
func check(name, imported string) string {
	dir := path.Dir(name)
	for _, f := range foreign {
		if within(imported, f.prefix) && !slices.ContainsFunc(f.only, func(only string) bool { return within(dir, only) }) {
			return fmt.Sprintf("%s imports %s; ARCHITECTURE.md: %s", name, imported, f.why)
		}
	}
	pkg, ours := strings.CutPrefix(imported, module)
	if !ours || pkg == dir { // a test from outside imports its own package
		return ""
	}
	r, found := ruleOf(dir)
	if !found {
		return fmt.Sprintf("%s imports %s, and no rule says whether it may: add one here and to ARCHITECTURE.md", name, imported)
	}
	if !r.allows(pkg, strings.HasSuffix(name, "_test.go")) {
		return fmt.Sprintf("%s imports %s; ARCHITECTURE.md: %s", name, imported, r.why)
	}
	return ""
}

// violations reads all Go files of a tree, whatever their build tags.
func violations(tree fs.FS) (found []string, files int, err error) {
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := path.Base(name); d.IsDir() && name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		files++
		if within(name, "bpf") {
			found = append(found, name+"; ARCHITECTURE.md: bpf holds C only")
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if bad := check(name, imported); bad != "" {
				found = append(found, bad)
			}
		}
		return nil
	})
	return found, files, err
}

func TestImports(t *testing.T) {
	found, files, err := violations(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
	if files < 50 {
		t.Errorf("read %d files only: is this the module's root?", files)
	}
}

func TestRulesNameRealPackages(t *testing.T) {
	tree := os.DirFS("../..")
	for _, r := range rules {
		for _, dir := range slices.Concat([]string{r.dir}, r.may, r.tests) {
			if dir == "..." {
				continue
			}
			if _, err := fs.Stat(tree, dir); err != nil {
				t.Errorf("the rule of %s: %v", r.dir, err)
			}
		}
	}
}

// The test itself: trees that keep the rules, and trees that do not.
func TestViolations(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		ok             bool
	}{
		{"pkg/loader/a.go", "github.com/cilium/ebpf", true},
		{"pkg/loader/a_test.go", "github.com/cilium/ebpf/btf", true},
		{"pkg/loader/internal/object/a.go", "github.com/cilium/ebpf", true},
		{"pkg/loader/internal/wire/a.go", module + "pkg/loader", false},
		{"pkg/loader/internal/compile/a.go", module + "internal/match", true},
		{"pkg/loader/internal/compile/a.go", module + "pkg/loader", false},
		{"pkg/loader/internal/assemble/a.go", module + "pkg/loader/internal/object", false},
		{"pkg/loader/internal/meter/a.go", module + "pkg/loader/internal/object", true},
		{"pkg/loader/internal/meter/a.go", module + "pkg/loader/internal/sums", false},
		{"pkg/loader/internal/sums/a.go", module + "pkg/loader", false},
		{"pkg/loader/internal/gobpf/a.go", module + "pkg/loader/internal/gobpf/learn", true},
		{"pkg/loader/internal/gobpf/learn/a.go", module + "pkg/loader/internal/gobpf", false},
		{"pkg/loader/internal/gobpf/module/a.go", module + "pkg/loader/internal/gobpf/learn", false},
		{"pkg/loader/a.go", module + "pkg/ktls", false},
		{"cmd/ktlstop/a.go", "github.com/cilium/ebpf", false},
		{"internal/flow/a.go", "github.com/cilium/ebpf/link", false},
		{"e2e/a_test.go", "github.com/cilium/ebpf", false},
		{"pkg/ktls/a.go", "github.com/iovisor/gobpf/bcc", false},
		{"pkg/event/a.go", "net/netip", true},
		{"pkg/event/a.go", module + "internal/safe", false},
		{"pkg/ktls/a.go", module + "pkg/event", false},
		{"pkg/ktls/a_test.go", module + "pkg/ktls", true},
		{"pkg/ktls/a_test.go", module + "internal/kmodtest", false},
		{"pkg/ktls/a.go", module + "pkg/ktls/raw", true},
		{"pkg/ktls/raw/a.go", module + "pkg/ktls", false},
		{"pkg/loader/a.go", module + "pkg/event", true},
		{"pkg/loader/a.go", module + "internal/flow", false},
		{"internal/flow/a.go", module + "pkg/event", true},
		{"internal/flow/a.go", module + "pkg/loader", false},
		{"internal/sink/a.go", module + "internal/flow", true},
		{"internal/sink/a.go", module + "docs/schema", false},
		{"internal/sink/a_test.go", module + "docs/schema", true},
		{"internal/sink/schematest/a.go", module + "docs/schema", true},
		{"internal/sink/schematest/a.go", module + "internal/flow", false},
		{"internal/sink/a.go", module + "internal/packet", true},
		{"internal/sink/a.go", module + "internal/tap", false},
		{"internal/tap/a.go", module + "internal/packet", true},
		{"internal/tap/a.go", module + "pkg/loader", false},
		{"internal/packet/a.go", module + "internal/flow", false},
		{"internal/inspect/a.go", module + "internal/safe", true},
		{"internal/inspect/a.go", module + "internal/sink", false},
		{"internal/tui/a.go", module + "internal/units", true},
		{"internal/tui/a.go", module + "internal/sink", false},
		{"internal/session/a.go", module + "pkg/loader", true},
		{"internal/session/a.go", module + "internal/tui", false},
		{"internal/gen/a.go", module + "pkg/ktls", true},
		{"internal/gen/a.go", module + "pkg/event", false},
		{"internal/bench/a.go", module + "pkg/ktls", true},
		{"internal/bench/a.go", module + "pkg/loader", false},
		{"internal/vm/a.go", module + "pkg/ktls", false},
		{"internal/vm/cmd/x/a.go", module + "internal/vm", true},
		{"cmd/ktlstop/a.go", module + "internal/tui", true},
		{"cmd/ktlstop/a.go", module + "internal/vm", false},
		{"cmd/ktlstop/a.go", module + "internal/vm/cmd/x", false},
		{"e2e/a_test.go", module + "pkg/ktls", true},
		{"e2e/a_test.go", module + "cmd/ktlstop", false},
		{"e2e/a_test.go", module + "pkg/loader", false},
		{"internal/sink/a.go", module + "cmd/ktlstop", false},
		{"internal/new/a.go", module + "pkg/event", false},
		{"internal/new/a.go", "fmt", true},
		{"bpf/a.go", "fmt", false},
		{"internal/vm/testdata/a.go", module + "pkg/event", true},
		{".git/a.go", module + "pkg/event", true},
	} {
		src := fmt.Sprintf("//go:build ignore\n\npackage x\n\nimport _ %q\n", c.imported)
		found, _, err := violations(fstest.MapFS{c.file: {Data: []byte(src)}})
		if err != nil || (len(found) == 0) != c.ok {
			t.Errorf("%s imports %s: %q, %v", c.file, c.imported, found, err)
		}
	}
}

// Package objecttest reads the BPF object and the C headers for tests, which compare
// them with the Go declarations.
package objecttest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// The object's BTF has only what the programs use by name: struct payload is a
// forward declaration in it, and the enums are gone. Those are read from the
// C headers, whose layout of struct event is compared with BTF.

// Object reads the committed BPF object.
func Object(tb testing.TB) *ebpf.CollectionSpec {
	tb.Helper()
	spec, err := object.LoadKtls()
	if err != nil {
		tb.Fatal(err)
	}
	return spec
}

// Field is a member of a C struct: where it is, how many bytes it has.
type Field struct {
	Name         string
	Offset, Size int
}

// BTFFields returns a struct of the object as the compiler laid it out.
func BTFFields(t *testing.T, spec *ebpf.CollectionSpec, name string) (fields []Field, size int) {
	t.Helper()
	var s *btf.Struct
	if err := spec.Types.TypeByName(name, &s); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Members {
		n, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		fields = append(fields, Field{m.Name, int(m.Offset.Bytes()), n})
	}
	return fields, int(s.Size)
}

var comments = regexp.MustCompile(`(?s)/\*.*?\*/`)

// root is the module's directory, from a test's directory in pkg/loader/internal.
func root() string {
	dir := "."
	for range 8 {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Join("..", dir)
	}
	return dir
}

// Header reads a file of bpf/ without its comments.
func Header(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(), "bpf", name))
	if err != nil {
		t.Fatal(err)
	}
	return comments.ReplaceAllString(string(b), "")
}

// body returns the text between the braces of a declaration.
func body(t *testing.T, text, declaration string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, declaration+" {")
	inside, _, closed := strings.Cut(rest, "}")
	if !found || !closed {
		t.Fatalf("no %s in the header", declaration)
	}
	return inside
}

// Enumerators returns the values of a C enum in their order.
func Enumerators(t *testing.T, text, name string) (names []string, values map[string]int) {
	t.Helper()
	next := 0
	values = map[string]int{}
	for item := range strings.SplitSeq(body(t, text, "enum "+name), ",") {
		id, value, explicit := strings.Cut(item, "=")
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		if explicit {
			var err error
			if next, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				t.Fatal(err)
			}
		}
		names, values[id] = append(names, id), next
		next++
	}
	return names, values
}

// Define returns the value of a numeric macro.
func Define(t *testing.T, text, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^#define ` + name + `\s+(\w+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no #define %s in the header", name)
	}
	n, err := strconv.ParseInt(m[1], 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

var (
	cWidths     = map[string]int{"u64": 8, "u32": 4, "s32": 4, "u16": 2, "u8": 1, "char": 1}
	cDeclarator = regexp.MustCompile(`^(\w+)(?:\[(\d*)\])?$`)
)

// CFields lays out a struct of plain integers and arrays as the C ABI does.
func CFields(t *testing.T, text, name string) (fields []Field, size int) {
	t.Helper()
	align := 1
	for line := range strings.SplitSeq(body(t, text, "struct "+name), ";") {
		kind, declarators, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind == "" {
			continue
		}
		width := cWidths[kind]
		if width == 0 {
			t.Fatalf("struct %s has a field of type %q, which this test cannot lay out", name, kind)
		}
		align = max(align, width)
		for d := range strings.SplitSeq(declarators, ",") {
			m := cDeclarator.FindStringSubmatch(strings.TrimSpace(d))
			if m == nil {
				t.Fatalf("struct %s: cannot read %q", name, d)
			}
			count := 1
			if strings.Contains(d, "[") {
				count, _ = strconv.Atoi(m[2]) // data[] is empty
			}
			size = (size + width - 1) / width * width
			fields = append(fields, Field{m[1], size, width * count})
			size += width * count
		}
	}
	return fields, (size + align - 1) / align * align
}

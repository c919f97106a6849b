package cost

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Bench is one of Go's benchmarks of the user side.
type Bench struct {
	Name string `json:"name"`
	// NsPerOp is a median; an operation is one event, unless the name says otherwise.
	NsPerOp     float64 `json:"ns_per_op"`
	BytesPerOp  float64 `json:"bytes_per_op"`
	AllocsPerOp float64 `json:"allocs_per_op"`
}

// User is the section user of docs/bench.json.
type User struct {
	Machine string  `json:"machine"`
	Benches []Bench `json:"benches"`
	// Screens are of the same machine; empty if only allocations are compared.
	Screens []Screen `json:"screens,omitempty"`
}

// ReadBenches reads the output of go test -bench.
func ReadBenches(r io.Reader) ([]Bench, error) {
	type samples struct{ ns, bytes, allocs []float64 }
	var order []string
	byName := map[string]*samples{}
	for scan := benchfmt.NewReader(r, "go test"); scan.Scan(); {
		switch rec := scan.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, rec
		case *benchfmt.Result:
			name := benchName(rec)
			s := byName[name]
			if s == nil {
				s = &samples{}
				byName[name] = s
				order = append(order, name)
			}
			sec, _ := rec.Value("sec/op")
			bytes, _ := rec.Value("B/op")
			allocs, _ := rec.Value("allocs/op")
			s.ns, s.bytes, s.allocs = append(s.ns, sec*1e9), append(s.bytes, bytes), append(s.allocs, allocs)
		}
	}
	if len(order) == 0 {
		return nil, errors.New("no benchmarks in what go test printed")
	}
	var all []Bench
	for _, name := range order {
		s := byName[name]
		all = append(all, Bench{name, median(s.ns), median(s.bytes), median(s.allocs)})
	}
	return all, nil
}

// benchName is package and name, without the number of processors.
func benchName(rec *benchfmt.Result) string {
	name := rec.Name.String()
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i]
	}
	pkg := rec.GetConfig("pkg")
	return pkg[strings.LastIndexByte(pkg, '/')+1:] + "." + name
}

// CheckAllocs returns the benchmarks that allocate more than before. One allocation in
// a thousand operations does not come from a change.
func CheckAllocs(now, committed *User) error {
	var errs []error
	for _, b := range now.Benches {
		i := slices.IndexFunc(committed.Benches, func(c Bench) bool { return c.Name == b.Name })
		if i >= 0 && b.AllocsPerOp > committed.Benches[i].AllocsPerOp*tolerance {
			errs = append(errs, fmt.Errorf("%s: %v allocations, committed are %v", b.Name, b.AllocsPerOp, committed.Benches[i].AllocsPerOp))
		}
	}
	return errors.Join(errs...)
}

func median[T cmp.Ordered](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}

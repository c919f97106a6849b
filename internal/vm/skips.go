package vm

import (
	"fmt"
	"regexp"
)

// fewSkips is the number of tests skipped for one reason that are still named individually.
const fewSkips = 3

var sourceLine = regexp.MustCompile(`^\w+\.go:\d+: `)

// skips reports the skipped tests, a line each; if many in one package have the same reason, a line
// for all.
func skips(results []testResult) (lines []string) {
	type why struct{ pkg, reason string }
	of := func(r testResult) why { return why{r.pkg, sourceLine.ReplaceAllString(r.reason, "")} }
	counts := map[why]int{}
	for _, r := range results {
		if r.outcome == skipped {
			counts[of(r)]++
		}
	}
	for _, r := range results {
		w := of(r)
		switch n := counts[w]; {
		case r.outcome != skipped || n == 0: // or reported already
		case n <= fewSkips:
			lines = append(lines, r.String())
		default:
			lines = append(lines, fmt.Sprintf("%s %d tests: %s", w.pkg, n, w.reason))
			counts[w] = 0
		}
	}
	return lines
}

// Package nearest finds the word that somebody meant who has mistyped it.
package nearest

import "strings"

// To returns the first of words that typed most probably stands for, or "" if none is
// close. Close is a word that begins with it, if it has three bytes or more, or one that
// differs by one slip for each three bytes, and by one in any case.
func To(typed string, words []string) (best string) {
	typed = strings.ToLower(typed)
	least := max(1, len(typed)/3) + 1
	for _, w := range words {
		n := distance(typed, strings.ToLower(w))
		if len(typed) >= 3 && strings.HasPrefix(strings.ToLower(w), typed) {
			n = min(n, 1)
		}
		if n < least {
			best, least = w, n
		}
	}
	return best
}

// distance is how many slips, each a byte too many, too few or wrong, or two in the wrong
// order, make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			wrong := 0
			if a[i] != b[j] {
				wrong = 1
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+wrong)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

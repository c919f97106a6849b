// Package units writes numbers the way people read them in a table: three
// significant digits, a unit, and never more than six columns.
package units

import "strconv"

type unit struct {
	size uint64
	name string
}

var (
	times = []unit{
		{3600e9, "h"}, {60e9, "m"}, {1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"},
	}
	decimals = []unit{
		{1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""},
	}
)

// Duration is a time of ns nanoseconds: 0, 310ns, 5.20us, 12.3ms, 1.50s, 12.0m, 31.2h.
func Duration(ns uint64) string { return string(AppendDuration(nil, ns)) }

// AppendDuration appends what Duration returns.
func AppendDuration(dst []byte, ns uint64) []byte { return scale(dst, ns, times) }

// Count is a number of things or, with "B" behind it, of bytes, in powers of
// 1000: 0, 999, 1.23k, 45.6M.
func Count(n uint64) string { return string(AppendCount(nil, n)) }

// AppendCount appends what Count returns.
func AppendCount(dst []byte, n uint64) []byte { return scale(dst, n, decimals) }

// Rate is Count for a number that is not whole: below 10 it keeps one digit
// after the point.
func Rate(v float64) string {
	if v <= 0 || v >= 10 {
		return Count(uint64(max(v, 0)))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// scale writes v in the largest unit that it reaches, cut to three digits.
func scale(dst []byte, v uint64, table []unit) []byte {
	if v == 0 {
		return append(dst, '0')
	}
	for _, u := range table {
		if v >= u.size {
			return append(digits(dst, v, u.size), u.name...)
		}
	}
	return dst
}

func digits(dst []byte, v, size uint64) []byte {
	whole := v / size
	dst = strconv.AppendUint(dst, whole, 10)
	if size == 1 || whole >= 100 {
		return dst
	}
	rest := v % size
	dst = append(dst, '.', byte('0'+rest/(size/10)))
	if whole < 10 {
		dst = append(dst, byte('0'+rest/(size/100)%10))
	}
	return dst
}

package match

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// value checks one value against the field and adds it to the test.
func (c *checker) value(t *Test, v *literal) error {
	switch infos[t.Field].kind {
	case text:
		return c.textValue(t, v)
	case address:
		return c.addressValue(t, v)
	case payload:
		return c.payloadValue(t, v)
	case duration:
		return c.durationValue(t, v)
	case number:
		return c.numberValue(t, v)
	}
	return c.nameValue(t, v)
}

func (t *Test) add(written string, nums ...uint64) {
	t.Nums = append(t.Nums, nums...)
	t.values = append(t.values, written)
}

func (c *checker) numberValue(t *Test, v *literal) error {
	in := &infos[t.Field]
	n, ok := parseNumber(v.Atom)
	if v.Quoted != nil || !ok {
		return c.fail(v.Pos.Offset, "%s is a number: compare it with %s", t.Field, in.example)
	}
	if n > in.max {
		return c.fail(v.Pos.Offset, "%s is at most %d", t.Field, in.max)
	}
	t.add(strconv.FormatUint(n, 10), n)
	return nil
}

// multiples are the suffixes of numbers, as GNU's tools read them.
var multiples = map[string]uint64{
	"": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1000, "m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
}

// parseNumber reads 4000, 4k, 4KiB, 4kB and 0x1f40.
func parseNumber(s string) (uint64, bool) {
	if hex, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 64)
		return n, err == nil
	}
	digits := strings.TrimRight(s, "kKmMiIbB")
	n, err := strconv.ParseUint(digits, 10, 64)
	m, ok := multiples[strings.ToLower(s[len(digits):])]
	return n * m, err == nil && ok && n <= max64/m
}

func (c *checker) durationValue(t *Test, v *literal) error {
	d, err := time.ParseDuration(v.Atom)
	if v.Quoted != nil || err != nil {
		return c.fail(v.Pos.Offset, "%s is a duration: compare it with 5ms, 300us …", t.Field)
	}
	if d < 0 {
		return c.fail(v.Pos.Offset, "%s is never negative", t.Field)
	}
	t.add(d.String(), uint64(d))
	return nil
}

// nameValue reads a word that has a number, or where it can be any, the number.
func (c *checker) nameValue(t *Test, v *literal) error {
	in := &infos[t.Field]
	word := v.Atom
	if v.Quoted != nil {
		s, err := c.unquote(v)
		if err != nil {
			return err
		}
		word = s
	}
	word = strings.ToLower(word)
	if nums, ok := in.words[word]; ok {
		t.add(word, nums...)
		return nil
	}
	if n, ok := parseNumber(word); ok && word != "" && in.max > 0 && n <= in.max {
		t.add(strconv.FormatUint(n, 10), n)
		return nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(in.words)), ", ")
	if len(in.words) > 10 {
		known = in.example + ", or a number"
	}
	return c.fail(v.Pos.Offset, "%s is never %s: compare it with %s", t.Field, quote(word), known)
}

func (c *checker) textValue(t *Test, v *literal) error {
	s, err := c.unquote(v)
	if err != nil {
		return err
	}
	limit := maxTextSize
	switch t.Field {
	case Comm:
		limit = maxCommLen
	case Container, Unit, Namespace, Pod, Host, KernelUser:
		limit = maxNameSize
	}
	switch {
	case s == "" || strings.Contains(s, "\x00"):
		return c.fail(v.Pos.Offset, "%s is never empty and has no NUL in it", t.Field)
	case t.Field == Comm && t.Op != Contains:
		s = event.TaskName(s)
		s = s[:min(len(s), limit)] // as the kernel cuts it
	case len(s) > limit:
		return c.fail(v.Pos.Offset, "a string for %s has at most %d bytes", t.Field, limit)
	}
	t.Texts = append(t.Texts, s)
	t.values = append(t.values, quote(s))
	return nil
}

func (c *checker) addressValue(t *Test, v *literal) error {
	s := v.Atom
	if v.Quoted != nil {
		var err error
		if s, err = c.unquote(v); err != nil {
			return err
		}
	}
	p, ok := parsePrefix(s)
	if !ok {
		return c.fail(v.Pos.Offset, "%s is an address: compare it with 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32", t.Field)
	}
	t.Nets = append(t.Nets, p)
	t.values = append(t.values, p.String())
	return nil
}

// parsePrefix reads an address or a network. What lies in the IPv4-mapped part
// of IPv6 is IPv4, as in the records.
func parsePrefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

func (c *checker) payloadValue(t *Test, v *literal) error {
	s, err := c.unquote(v)
	if err != nil {
		return err
	}
	switch {
	case t.To > 0 && len(s) != t.To-t.From:
		return c.fail(v.Pos.Offset, "payload[%d:%d] has %d bytes, and this string %d", t.From, t.To, t.To-t.From, len(s))
	case t.To == 0 && (len(s) == 0 || len(s) > MaxNeedle):
		return c.fail(v.Pos.Offset, "payload contains takes 1 to %d bytes, and this string has %d", MaxNeedle, len(s))
	}
	t.Texts = append(t.Texts, s)
	t.values = append(t.values, quote(s))
	return nil
}

// slice reads the bounds of payload[0:4], payload[:4] and payload[4].
func (c *checker) slice(test *Test, t *term) error {
	if t.Slice == nil {
		return nil
	}
	at := t.Slice.Pos.Offset
	if test.Field != Payload {
		return c.fail(at, "only payload has slices")
	}
	from, to, both := strings.Cut(t.Slice.Atom, ":")
	if from == "" && both {
		from = "0"
	}
	lo, err := strconv.ParseUint(from, 10, 16)
	hi := lo + 1
	if both && err == nil {
		hi, err = strconv.ParseUint(to, 10, 16)
	}
	switch {
	case err != nil || t.Slice.Quoted != nil || lo >= hi:
		return c.fail(at, "a slice is two offsets, the first below the second: payload[0:4]")
	case hi > Window:
		return c.fail(at, "only the first %d bytes of a payload can be looked at", Window)
	}
	test.From, test.To = int(lo), int(hi)
	return nil
}

// unquote returns the bytes that a literal stands for.
func (c *checker) unquote(v *literal) (string, error) {
	if v.Quoted == nil {
		return v.Atom, nil
	}
	s := (*v.Quoted)[1 : len(*v.Quoted)-1]
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		r, n := unescape(s[i+1:])
		if n == 0 {
			return "", c.fail(v.Pos.Offset+1+i, `the escapes are \" \\ \n \r \t \0 and \xHH`)
		}
		b = append(b, r)
		i += n
	}
	return string(b), nil
}

// unescape returns the byte behind a backslash and how many characters it took.
func unescape(s string) (byte, int) {
	simple := map[byte]byte{'"': '"', '\\': '\\', 'n': '\n', 'r': '\r', 't': '\t', '0': 0}
	if s == "" {
		return 0, 0
	}
	if b, ok := simple[s[0]]; ok {
		return b, 1
	}
	if s[0] != 'x' || len(s) < 3 {
		return 0, 0
	}
	n, err := strconv.ParseUint(s[1:3], 16, 8)
	if err != nil {
		return 0, 0
	}
	return byte(n), 3
}

package safe

const hexDigits = "0123456789abcdef"

// RowBytes is the number of payload bytes in one line of a hex view.
const RowBytes = 16

// AppendHexRow appends the hex view of at most RowBytes bytes of a payload
// that stand at offset off: the offset, the bytes, and the text with a dot for
// whatever is not printable ASCII. The row is 72 columns wide, without newline.
func AppendHexRow(dst []byte, off int, p []byte) []byte {
	p = p[:min(len(p), RowBytes)]
	for shift := 12; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[off>>shift&15])
	}
	dst = append(dst, ' ')
	dst = appendHex(dst, p)
	dst = append(dst, ' ', ' ')
	return appendASCII(dst, p)
}

func appendHex(dst, p []byte) []byte {
	for i := range RowBytes {
		if i == RowBytes/2 {
			dst = append(dst, ' ')
		}
		if i < len(p) {
			dst = append(dst, ' ', hexDigits[p[i]>>4], hexDigits[p[i]&15])
		} else {
			dst = append(dst, "   "...)
		}
	}
	return dst
}

func appendASCII(dst, p []byte) []byte {
	for _, b := range p {
		if b < ' ' || b > '~' {
			b = '.'
		}
		dst = append(dst, b)
	}
	return dst
}

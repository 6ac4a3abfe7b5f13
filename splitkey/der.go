package splitkey

// IsWholeDER reports whether b is a DER SEQUENCE or SET, or anything that a
// lenient parser could take for one. Such bytes are not signed as a document:
// a platform could pass the signature off as that of a seal or of CMS
// attributes (docs/split-keys.md §2.9). It errs on the side of refusing: BER's
// long and indefinite lengths, the primitive and the high form of the tag and
// bytes behind the structure are taken for one too. Plain text that begins
// with "0" or "1" is not, since its bytes do not divide into elements.
func IsWholeDER(b []byte) bool {
	h, ok := readHeader(b)
	if !ok || h.class != 0 || (h.tag != 16 && h.tag != 17) {
		return false
	}
	body := b[h.size:]
	if h.indefinite {
		_, ok := skipUntilEnd(body, 0)
		return ok
	}
	elements, ok := countElements(body[:h.length])
	// Behind an empty structure anything may stand: UTF-16 text begins so.
	return ok && (elements > 0 || len(body) == h.length)
}

// maxDepth bounds the nesting of indefinite lengths; what is deeper counts as
// a structure.
const maxDepth = 64

type header struct {
	class      byte
	tag        int
	indefinite bool
	length     int // of the contents, present in the input
	size       int // of the header
}

// readHeader reads identifier and length octets in any form of BER whose
// contents lie within b.
func readHeader(b []byte) (h header, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.class, h.tag = b[0]>>6, int(b[0]&0x1f)
	i := 1
	if h.tag == 0x1f {
		h.tag = 0
		for ; ; i++ {
			if i >= len(b) || h.tag > 1<<24 {
				return h, false
			}
			h.tag = h.tag<<7 | int(b[i]&0x7f)
			if b[i]&0x80 == 0 {
				i++
				break
			}
		}
		if i >= len(b) {
			return h, false
		}
	}
	first := b[i]
	i++
	switch {
	case first < 0x80:
		h.length = int(first)
	case first == 0x80:
		h.indefinite = true
	default:
		for n := int(first & 0x7f); n > 0; n-- {
			if i >= len(b) || h.length > len(b) {
				return h, false
			}
			h.length = h.length<<8 | int(b[i])
			i++
		}
	}
	h.size = i
	return h, h.length <= len(b)-i
}

// countElements reports whether b divides into elements without a rest.
func countElements(b []byte) (n int, ok bool) {
	for len(b) > 0 {
		rest, ok := skipElement(b, 0)
		if !ok {
			return n, false
		}
		b = rest
		n++
	}
	return n, true
}

func skipElement(b []byte, depth int) (rest []byte, ok bool) {
	h, ok := readHeader(b)
	if !ok {
		return nil, false
	}
	if h.indefinite {
		return skipUntilEnd(b[h.size:], depth+1)
	}
	return b[h.size+h.length:], true
}

// skipUntilEnd skips elements up to and with the end-of-contents octets 00 00.
func skipUntilEnd(b []byte, depth int) (rest []byte, ok bool) {
	if depth > maxDepth {
		return nil, true
	}
	for {
		if len(b) >= 2 && b[0] == 0 && b[1] == 0 {
			return b[2:], true
		}
		if b, ok = skipElement(b, depth); !ok {
			return nil, false
		}
	}
}

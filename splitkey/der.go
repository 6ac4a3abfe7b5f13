package splitkey

// IsWholeDER reports whether b is a DER SEQUENCE or SET, or anything that a
// lenient parser could take for one. Such bytes are not signed as a document:
// a platform could pass the signature off as that of a seal or of CMS
// attributes (docs/split-keys.md §2.9). It errs on the side of refusing: BER's
// long and indefinite lengths, the primitive and the high form of the tag, and
// a structure with other bytes behind it are taken for one too. Plain text that
// begins with "0" or "1" is not, since its bytes do not divide into elements.
func IsWholeDER(b []byte) bool {
	h, ok := readHeader(b)
	if !ok || h.class != 0 || (h.tag != 16 && h.tag != 17) {
		return false
	}
	body := b[h.size:]
	var s scan
	if h.indefinite {
		_, ok := s.skipUntilEnd(body, 1)
		return ok || s.tooDeep
	}
	if len(body) == h.length {
		_, ok := s.count(body, 1)
		return ok || s.tooDeep
	}
	// With bytes behind it, only what holds plausible elements all the way
	// down: a stretch of text often divides at the first level.
	s.deep = true
	n, ok := s.count(body[:h.length], 1)
	return ok && n > 0 || s.tooDeep
}

// maxDepth bounds the nesting that is followed; what is deeper counts as a
// structure.
const maxDepth = 64

// scan walks elements in any form of BER.
type scan struct {
	// deep: constructed elements must divide into elements too, and no element
	// has an application or private tag, as none in CMS, seals and X.509 has.
	deep    bool
	tooDeep bool
}

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

// count returns the number of elements that b divides into without a rest.
func (s *scan) count(b []byte, depth int) (n int, ok bool) {
	for ok = true; ok && len(b) > 0; n++ {
		b, ok = s.skip(b, depth)
	}
	return n, ok
}

// skip passes over one element.
func (s *scan) skip(b []byte, depth int) (rest []byte, ok bool) {
	if depth > maxDepth {
		s.tooDeep = true
		return nil, false
	}
	h, ok := readHeader(b)
	if !ok {
		return nil, false
	}
	if h.indefinite {
		return s.skipUntilEnd(b[h.size:], depth+1)
	}
	end := h.size + h.length
	if s.deep && h.class&1 != 0 {
		return nil, false
	}
	if s.deep && b[0]&0x20 != 0 {
		if _, ok := s.count(b[h.size:end], depth+1); !ok {
			return nil, false
		}
	}
	return b[end:], true
}

// skipUntilEnd passes over elements and the end-of-contents octets 00 00.
func (s *scan) skipUntilEnd(b []byte, depth int) (rest []byte, ok bool) {
	for {
		if len(b) >= 2 && b[0] == 0 && b[1] == 0 {
			return b[2:], true
		}
		if b, ok = s.skip(b, depth); !ok {
			return nil, false
		}
	}
}

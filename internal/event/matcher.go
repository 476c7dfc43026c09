package event

import (
	"encoding/binary"
	"slices"
	"sort"
)

// matcher finds the longest pattern at a place of a text. Patterns can be added
// at any time at the cost of their own length, unlike with an automaton, since
// a run learns secrets while it goes on; and text that has nothing to do with
// them costs a look at one bit a byte.
//
// The zero value has no patterns. It is not safe for concurrent change.
type matcher struct {
	// starts has the patterns by their first minSecret bytes, each list sorted.
	starts map[uint32][]string
	// stubs has the beginnings of patterns that are shorter than minSecret.
	stubs map[string]bool
	// filter has a bit for the hash of each key of starts.
	filter [1 << 16 / 64]uint64
}

// hashOf returns 16 bits, so that the compiler sees that filter has the place.
func hashOf(key uint32) uint16 { return uint16(key * 0x9E3779B1 >> 16) }

func (m *matcher) maybe(key uint32) bool {
	h := hashOf(key)
	return m.filter[h/64]&(1<<(h%64)) != 0
}

func (m *matcher) empty() bool { return len(m.starts) == 0 }

// add makes a pattern of at least minSecret bytes known.
func (m *matcher) add(pattern string) {
	if m.starts == nil {
		m.starts = map[uint32][]string{}
		m.stubs = map[string]bool{}
	}
	key := binary.LittleEndian.Uint32([]byte(pattern[:minSecret]))
	list := m.starts[key]
	if i, found := slices.BinarySearch(list, pattern); !found {
		m.starts[key] = slices.Insert(list, i, pattern)
	}
	h := hashOf(key)
	m.filter[h/64] |= 1 << (h % 64)
	for n := 1; n < minSecret; n++ {
		m.stubs[pattern[:n]] = true
	}
}

// next returns the first place at or after i where a pattern may begin, or
// begin and go on after the text's end; len(text) when there is none.
func (m *matcher) next(text []byte, i int) int {
	for ; i+8 <= len(text); i += 4 { // four places a load
		x := binary.LittleEndian.Uint64(text[i:])
		if m.maybe(uint32(x)) || m.maybe(uint32(x>>8)) || m.maybe(uint32(x>>16)) || m.maybe(uint32(x>>24)) {
			break
		}
	}
	for ; i+minSecret <= len(text); i++ {
		if m.maybe(binary.LittleEndian.Uint32(text[i:])) {
			return i
		}
	}
	for ; i < len(text); i++ {
		if m.stubs[string(text[i:])] {
			return i
		}
	}
	return i
}

// clean reports that no pattern can begin anywhere in text.
func (m *matcher) clean(text []byte) bool {
	return m.empty() || m.next(text, 0) == len(text)
}

// at returns the length of the longest pattern that text begins with, 0 when
// there is none, and whether more text could make a longer one.
func (m *matcher) at(text []byte) (length int, open bool) {
	if len(text) < minSecret {
		return 0, m.stubs[string(text)]
	}
	list := m.starts[binary.LittleEndian.Uint32(text)]
	for depth := minSecret; len(list) > 0; depth++ {
		// All of list agrees with text up to depth. The shortest comes first.
		if len(list[0]) == depth {
			length = depth
			list = list[1:]
		}
		if len(list) == 0 {
			break
		}
		if depth == len(text) {
			return length, true
		}
		c := text[depth]
		from := sort.Search(len(list), func(i int) bool { return list[i][depth] >= c })
		list = list[from:]
		to := sort.Search(len(list), func(i int) bool { return list[i][depth] > c })
		list = list[:to]
	}
	return length, false
}

// scan masks a text that comes in pieces. Every byte that belongs to any
// pattern is masked, also where patterns overlap.
type scan struct {
	carry   []byte // bytes whose fate depends on what follows
	covered int    // how many of them are masked already
	inMask  bool   // the last thing written was a mask
	masks   int64  // how many masks were written
}

// feed appends to dst what is certain of the text so far; all of it when last.
func (s *scan) feed(m *matcher, dst, piece []byte, last bool) []byte {
	text := piece
	if len(s.carry) > 0 {
		s.carry = append(s.carry, piece...)
		text = s.carry
	}
	i, end := 0, s.covered
	for i < len(text) {
		at := m.next(text, i)
		if at > end { // text[max(i,end):at] is in no pattern
			dst = s.plain(dst, text[max(i, end):at])
		}
		if i = at; i == len(text) {
			break
		}
		length, open := m.at(text[i:])
		if open && !last {
			break
		}
		if i+length > end {
			if length > 0 && i >= end {
				dst = s.mask(dst)
			}
			end = max(end, i+length)
		}
		if i >= end {
			dst = s.plain(dst, text[i:i+1])
		}
		i++
	}
	s.covered = max(0, end-i)
	s.carry = append(s.carry[:0], text[i:]...)
	return dst
}

func (s *scan) plain(dst, b []byte) []byte {
	if len(b) > 0 {
		s.inMask = false
	}
	return append(dst, b...)
}

func (s *scan) mask(dst []byte) []byte {
	if s.inMask {
		return dst
	}
	s.inMask = true
	s.masks++
	return append(dst, Mask...)
}

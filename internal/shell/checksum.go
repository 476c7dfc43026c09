package shell

import "hash/fnv"

// crcTable is that of the POSIX cksum utility: polynomial 0x04C11DB7, most
// significant bit first, which hash/crc32 does not offer.
var crcTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04C11DB7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

// cksum returns what the POSIX cksum utility prints for b.
func cksum(b []byte) uint32 {
	var c uint32
	step := func(v byte) { c = c<<8 ^ crcTable[byte(c>>24)^v] }
	for _, v := range b {
		step(v)
	}
	for n := len(b); n != 0; n >>= 8 {
		step(byte(n))
	}
	return ^c
}

// fnv1a is the checksum that sh can compute without a process.
func fnv1a(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}

// fold adds the checksum of one more frame to that of the frames before it.
// The servers compute it the same way; mksh only has 32-bit arithmetic.
func fold(total, frame uint32) uint32 { return total*3 + frame }

// posixSum is cksum as a hash, for what does not fit into memory.
type posixSum struct {
	crc uint32
	n   int64
}

func (s *posixSum) Write(p []byte) (int, error) {
	for _, v := range p {
		s.crc = s.crc<<8 ^ crcTable[byte(s.crc>>24)^v]
	}
	s.n += int64(len(p))
	return len(p), nil
}

// value is what the cksum utility prints; more may be written after it.
func (s *posixSum) value() uint32 {
	c := s.crc
	for n := s.n; n != 0; n >>= 8 {
		c = c<<8 ^ crcTable[byte(c>>24)^byte(n)]
	}
	return ^c
}

package channel

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Frames are written here and not by gorilla, which makes a write of each one: a
// TLS record, a system call and a wake-up of the other end for every
// acknowledgement would cost more than all the rest. Gorilla writes what answers
// pings and closings; each of its writes and of ours is whole frames.

// writeChunk is how much is written at a time.
const writeChunk = 64 << 10

// Bits of a frame's first two bytes. (RFC 6455, section 5.2)
const (
	frameFinal  = 0x80
	frameMasked = 0x80
)

var writeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// WriteFrame writes one frame.
func (s *socket) WriteFrame(frame Frame) error {
	kind := websocket.BinaryMessage
	if frame.Text {
		kind = websocket.TextMessage
	}
	return s.write(kind, frame.Data)
}

// WriteFrames writes binary frames, as many at a time as fit.
func (s *socket) WriteFrames(frames [][]byte) error {
	return s.write(websocket.BinaryMessage, frames...)
}

func (s *socket) write(kind int, frames ...[]byte) error {
	buffer := writeBuffers.Get().(*[]byte)
	defer writeBuffers.Put(buffer)
	s.writing.Lock()
	defer s.writing.Unlock()
	b := (*buffer)[:0]
	for i, frame := range frames {
		b = appendFrame(b, kind, s.client, frame)
		if len(b) < writeChunk && i < len(frames)-1 {
			continue
		}
		if err := s.flush(b); err != nil {
			return err
		}
		b = b[:0]
	}
	if cap(b) <= 2*writeChunk {
		*buffer = b
	}
	return nil
}

// flush writes whole frames. A write that failed may have been a part of them, so
// none can follow. writing is held.
func (s *socket) flush(b []byte) error {
	if s.broken != nil {
		return s.broken
	}
	conn := s.conn.NetConn()
	err := conn.SetWriteDeadline(time.Now().Add(s.writeTimeout))
	if err == nil {
		_, err = conn.Write(b)
	}
	if isTimeout(err) {
		err = &TimeoutError{Layer: LayerWrite, Peer: s.peer, After: s.writeTimeout}
	}
	s.broken = err
	return err
}

// appendFrame appends a message as one frame. A client masks it, which keeps old
// proxies from taking it for something else; the runtime's generator, which nobody
// can foresee, gives the key. (RFC 6455, sections 5.2 and 10.3)
func appendFrame(b []byte, kind int, client bool, data []byte) []byte {
	mask := byte(0)
	if client {
		mask = frameMasked
	}
	b = append(b, frameFinal|byte(kind))
	switch {
	case len(data) < 126:
		b = append(b, mask|byte(len(data)))
	case len(data) < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(len(data)))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(len(data)))
	}
	if !client {
		return append(b, data...)
	}
	key := rand.Uint32()
	b = binary.LittleEndian.AppendUint32(b, key)
	start := len(b)
	b = append(b, data...)
	maskBytes(b[start:], key)
	return b
}

// maskBytes turns over the bits that key has, eight bytes at a time.
func maskBytes(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
	}
	for i := range p {
		p[i] ^= byte(key >> (8 * (i % 4)))
	}
}

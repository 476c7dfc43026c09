//go:build linux

package main

import (
	"compress/zlib"
	"encoding/base64"
	"hash/crc32"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	frameBytes = 49152 // of a stream in one frame, at most
	lineBytes  = 4000  // of payload on a line
	worthwhile = 512   // bytes: less is neither compressed nor sent raw
)

// stream is an output of a step: O stdout, E stderr, or without a kind the
// state that its shell saves.
type stream struct {
	kind  string
	fd    int // -1 after its end
	buf   []byte
	since time.Time // when the first byte of buf came

	frames, length int64
	sum            uint32
	skip           int // frames that are sent uncompressed, since the last one did not shrink
}

// take reads what is there, at most 64 KiB; at the stream's end it closes it.
func (st *stream) take() int {
	if st.fd < 0 {
		return 0
	}
	was := len(st.buf)
	if cap(st.buf)-was < 65536 {
		st.buf = append(make([]byte, 0, was+2*65536), st.buf...)
	}
	n, err := syscall.Read(st.fd, st.buf[was:was+65536])
	if n == 0 && err == nil {
		syscall.Close(st.fd)
		st.fd = -1
	}
	if n <= 0 {
		return 0
	}
	if was == 0 {
		st.since = time.Now()
	}
	st.buf = st.buf[:was+n]
	return n
}

// drain takes what a step wrote before it ended: all of it is in the pipe, which
// holds no more than 64 KiB. What a process it left writes meanwhile has no end.
func (s *server) drain(st *stream) {
	for total := 0; total < 131072; {
		n := st.take()
		if n == 0 {
			return
		}
		total += n
		for st.kind != "" && len(st.buf) > frameBytes {
			s.frame(st)
		}
	}
}

// frame sends a part of a stream as one frame.
func (s *server) frame(st *stream) {
	n := min(frameBytes, len(st.buf))
	data := st.buf[:n]
	encoding, payload := "b", data
	if n >= worthwhile {
		if st.skip > 0 {
			st.skip--
		} else if small := s.z.deflate(data); len(small) < n/10*9 {
			encoding, payload = "z", small
		} else {
			st.skip = 8
		}
	}
	last := lineBytes // what may stand on the line that ends the frame
	if s.raw && len(payload) >= worthwhile {
		encoding = map[string]string{"b": "q", "z": "y"}[encoding]
		payload, last = appendRaw(nil, payload), 0
	} else {
		payload = base64.StdEncoding.AppendEncode(nil, payload)
	}
	sum := crc32.ChecksumIEEE(data)
	more := "@" + s.nonce + " " + strings.ToLower(st.kind) + " " + s.step.number + " "
	var out []byte
	for len(payload) > last {
		piece := payload[:min(lineBytes, len(payload))]
		payload = payload[len(piece):]
		out = append(append(append(out, more...), piece...), '\n')
	}
	out = append(out, "@"+s.nonce+" "+st.kind+" "+s.step.number+" "+strconv.FormatInt(st.frames, 10)+" "+encoding+" "+
		strconv.Itoa(n)+" r"+hex8(sum)+" "...)
	s.out(append(append(out, payload...), '\n'))
	st.frames++
	st.length += int64(n)
	st.sum = st.sum*3 + sum
	st.buf = append(st.buf[:0], st.buf[n:]...)
}

func hex8(v uint32) string {
	h := strconv.FormatUint(uint64(v), 16)
	return "00000000"[len(h):] + h
}

// appendRaw is the encoding for a session that passes bytes: only those are
// escaped that a terminal, the agent or a line of the wire would change.
func appendRaw(out, data []byte) []byte {
	for _, c := range data {
		switch c {
		case 0, '\t', '\n', '\r', 0x11, 0x13, 0x1b, '=', 0xef:
			out = append(out, '=', c^0x40)
		default:
			out = append(out, c)
		}
	}
	return out
}

// deflater keeps its compressor: one has tables of more than a megabyte.
type deflater struct {
	w   *zlib.Writer
	out []byte
}

func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

// deflate returns data compressed; the slice is good until the next call.
func (d *deflater) deflate(data []byte) []byte {
	d.out = d.out[:0]
	if d.w == nil {
		d.w, _ = zlib.NewWriterLevel(d, zlib.BestSpeed) // the level is one
	} else {
		d.w.Reset(d)
	}
	_, _ = d.w.Write(data) // d takes everything
	_ = d.w.Close()
	return d.out
}

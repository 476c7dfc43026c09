package shell

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// maxChecksum is what 32 bits have in decimal, with the kind in front, and room.
const maxChecksum = 16

// maxFrame bounds the decoded size of one frame; servers send at most 64 KiB.
const maxFrame = 1 << 20

// stream puts one output stream of a step together again from its frames.
// Every frame is checked for its place, length and checksum before its bytes
// reach the writer; the first defect is kept and the stream is then not
// verified, but what is whole still goes on.
type stream struct {
	out    io.Writer
	marker []byte // ends the stream, when the server cannot see its end; nil when it can

	text   []byte // payload lines of the frame under way
	pieces int

	frames int64
	length int64
	sum    uint32

	held   []byte // decoded bytes that may be the beginning of the marker
	marked bool   // the marker was seen; what follows is not of the step

	totalled bool // the totals came
	ended    bool // and agreed

	bytes int64
	crc   uint32
	err   error // first defect of the wire or the writer
}

// piece takes a line of payload that does not end its frame.
func (s *stream) piece(b []byte) {
	if len(s.text)+len(b) > 4*maxFrame {
		s.fail(errors.New("frame is too long"))
		s.text = s.text[:0]
	}
	if s.pieces > 0 {
		s.text = append(s.text, '\n')
	}
	s.text = append(s.text, b...)
	s.pieces++
}

// frame takes the last line of a frame: its number, encoding, length,
// checksum and the rest of its payload.
func (s *stream) frame(m message) {
	seq, ok := m.number()
	enc := m.field()
	length, ok2 := m.number()
	check := m.field()
	s.piece(m.rest)
	text := s.text
	s.text, s.pieces = s.text[:0], 0
	if !ok || !ok2 || length < 0 || check == "" {
		s.fail(fmt.Errorf("frame %d has a bad head", s.frames))
		return
	}
	if seq != s.frames {
		s.fail(fmt.Errorf("frame %d came where %d was due", seq, s.frames))
	}
	data, sum, err := decodeFrame(text, enc, length, check)
	if err != nil {
		s.fail(fmt.Errorf("frame %d: %w", seq, err))
	}
	if check == "-" {
		s.fail(errors.New("the target has no cksum"))
	}
	s.frames++
	s.length += length
	s.sum = fold(s.sum, sum)
	if err == nil {
		s.data(data)
	}
}

// total takes the server's count of frames and bytes and its checksum over
// the frames' checksums.
func (s *stream) total(m message) {
	frames, ok := m.number()
	length, ok2 := m.number()
	sum, ok3 := m.number()
	s.totalled = true
	switch {
	case !ok || !ok2 || !ok3:
		s.fail(errors.New("totals cannot be read"))
	case frames != s.frames || length != s.length:
		s.fail(fmt.Errorf("%d frames with %d bytes came, %d with %d were sent", s.frames, s.length, frames, length))
	case uint32(sum) != s.sum:
		s.fail(errors.New("checksum over all frames is wrong"))
	case s.marker != nil && !s.marked:
		s.fail(errors.New("the end mark of the stream did not come"))
	default:
		s.ended = true
	}
	s.flush()
}

// data passes decoded bytes on, up to the marker.
func (s *stream) data(b []byte) {
	if s.marker == nil {
		s.emit(b)
		return
	}
	if s.marked {
		return
	}
	if len(s.held) > 0 {
		b = append(s.held, b...)
	}
	if i := bytes.Index(b, s.marker); i >= 0 {
		s.marked = true
		s.held = nil
		s.emit(b[:i])
		return
	}
	n := markerPrefix(b, s.marker)
	s.emit(b[:len(b)-n])
	s.held = append([]byte(nil), b[len(b)-n:]...)
}

// flush gives what was held back to the writer: the marker did not come.
func (s *stream) flush() {
	s.emit(s.held)
	s.held = nil
}

func (s *stream) emit(b []byte) {
	if len(b) == 0 {
		return
	}
	s.bytes += int64(len(b))
	s.crc = crc32.Update(s.crc, crc32.IEEETable, b)
	if s.out == nil {
		return
	}
	if _, err := s.out.Write(b); err != nil {
		s.fail(fmt.Errorf("write output: %w", err))
		s.out = nil
	}
}

func (s *stream) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *stream) result() Stream {
	if s.err == nil && !s.ended {
		s.err = errors.New("its totals did not come")
	}
	return Stream{Bytes: s.bytes, Sum: s.crc, Verified: s.err == nil, Defect: s.err}
}

// decodeFrame checks a frame's payload and returns its bytes and the checksum
// that the server sent. A checksum is of the decoded bytes (r, CRC-32 in
// hexadecimal; f, FNV-1a) or of the text as sent (t, cksum in decimal); - is none.
func decodeFrame(text []byte, enc string, length int64, check string) (data []byte, sum uint32, err error) {
	kind, sum, err := parseChecksum(check)
	if err != nil {
		return nil, 0, err
	}
	if (kind == 't' || kind == '-') && int64(len(text)) != length {
		return nil, sum, fmt.Errorf("%d characters came of %d", len(text), length)
	}
	if kind == 't' && cksum(append(text, '\n')) != sum {
		return nil, sum, errors.New("checksum is wrong")
	}
	if data, err = decodePayload(text, enc); err != nil {
		return nil, sum, err
	}
	if kind != 't' && kind != '-' {
		if int64(len(data)) != length {
			return nil, sum, fmt.Errorf("%d bytes came of %d", len(data), length)
		}
		if kind == 'r' && crc32.ChecksumIEEE(data) != sum || kind == 'f' && fnv1a(data) != sum {
			return nil, sum, errors.New("checksum is wrong")
		}
	}
	return data, sum, nil
}

func parseChecksum(check string) (kind byte, sum uint32, err error) {
	if check == "-" {
		return '-', 0, nil
	}
	base := 10
	if check[0] == 'r' {
		base = 16
	}
	if len(check) > maxChecksum {
		return 0, 0, fmt.Errorf("checksum %.40q is too long", check)
	}
	n, err := strconv.ParseUint(check[1:], base, 32)
	if err != nil || strings.IndexByte("rtf", check[0]) < 0 {
		return 0, 0, fmt.Errorf("checksum %q cannot be read", check)
	}
	return check[0], uint32(n), nil
}

// decodePayload undoes an encoding: b is base64, z compressed base64, h the
// output of od -tx1, q raw bytes with escapes, y compressed q, d that of od -tu1 with its words joined by underscores.
func decodePayload(text []byte, enc string) ([]byte, error) {
	switch enc {
	case "h":
		flat := make([]byte, 0, len(text))
		for _, c := range text {
			if c > ' ' {
				flat = append(flat, c)
			}
		}
		n, err := hex.Decode(flat, flat)
		return flat[:n], err
	case "q", "y":
		data, err := decodeRaw(text)
		if err != nil || enc == "q" {
			return data, err
		}
		return inflate(data)
	case "d":
		return decodeDecimal(text)
	case "b", "z":
		// The decoder skips newlines, so the lines need not be joined.
		data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Strict().Decode(data, text)
		if err != nil || enc == "b" {
			return data[:n], err
		}
		return inflate(data[:n])
	}
	return nil, fmt.Errorf("unknown encoding %.16q", enc)
}

func decodeDecimal(text []byte) ([]byte, error) {
	var data []byte
	for word := range bytes.SplitSeq(text, []byte("_")) {
		n, err := strconv.ParseUint(string(word), 10, 8)
		if err != nil {
			return nil, fmt.Errorf("byte %.8q is not a number", word)
		}
		data = append(data, byte(n))
	}
	return data, nil
}

// inflate expands gzip or zlib, never to more than maxFrame.
func inflate(b []byte) ([]byte, error) {
	var r io.Reader
	var err error
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		r, err = gzip.NewReader(bytes.NewReader(b))
	} else {
		r, err = zlib.NewReader(bytes.NewReader(b))
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxFrame+1))
	if err == nil && len(data) > maxFrame {
		err = errors.New("compressed frame expands beyond its bound")
	}
	return data, err
}

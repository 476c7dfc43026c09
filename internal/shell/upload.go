package shell

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// Unread input in flight must stay below what a pty holds, about 20 KB: beyond
// it the agent's write blocks, and with it the whole session. The sh server
// may be slow, the others read all the time.
const (
	windowSh   = 14
	windowFast = 128
)

// typist types the lines of one step, never more than a window of data lines
// ahead of what the server says it has read.
type typist struct {
	c   *Client
	s   *server
	buf strings.Builder
}

// blob types one of a step's texts: W the prologue, S the script, I its input.
func (t *typist) blob(ctx context.Context, name string, data []byte) error {
	t.line("P " + name)
	check := fmt.Sprintf("%d %08x", len(data), crc32.ChecksumIEEE(data))
	typed := 0
	for len(data) > 0 {
		var l string
		l, data = t.s.cut(data)
		typed += len(l)
		if err := t.data(ctx, l); err != nil {
			return err
		}
	}
	if t.s.info.Server == "sh" {
		check = strconv.Itoa(typed) // of the text: sh cannot count or sum the bytes without a process
	}
	t.line("E " + name + " " + check)
	return nil
}

func (t *typist) line(text string) {
	t.buf.WriteString("#" + t.s.nonce + " " + text + "\n")
}

// data types one line of payload, after waiting for room.
func (t *typist) data(ctx context.Context, payload string) error {
	for t.s.sent-t.acked() >= t.s.window() {
		if err := t.flush(); err != nil {
			return err
		}
		select {
		case <-t.s.notify:
		case <-t.s.gone:
			return errServerGone
		case <-t.c.lost:
			return t.c.lossCause()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.s.sent++
	t.line("D " + payload)
	if t.buf.Len() > 8<<10 {
		return t.flush()
	}
	return nil
}

// window is how many data lines may be on their way.
func (s *server) window() int64 {
	if s.info.Server == "sh" {
		return windowSh
	}
	return windowFast
}

// cut takes as much of data as fits on a line, as the server reads it.
func (s *server) cut(data []byte) (line string, rest []byte) {
	if s.info.Server == "sh" {
		return escapeLine(data)
	}
	return base64Line(data)
}

func (t *typist) acked() int64 {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.s.acked
}

func (t *typist) flush() error {
	if t.buf.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(t.c.in, t.buf.String())
	t.buf.Reset()
	return err
}

var errServerGone = errors.New("the step server was killed")

// base64Line takes as much of data as fits on a line.
func base64Line(data []byte) (line string, rest []byte) {
	n := min(maxPayload/4*3, len(data))
	return base64.StdEncoding.EncodeToString(data[:n]), data[n:]
}

// escapeLine takes as much of data as fits on a line, in the escapes of
// printf %b. Everything that means something to any shell is escaped: if the
// server has died and the line is read by the session's shell, it is inert.
func escapeLine(data []byte) (line string, rest []byte) {
	var b strings.Builder
	for i, c := range data {
		if b.Len() > maxPayload-5 {
			return b.String(), data[i:]
		}
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_-./,:+=@%", c) >= 0:
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		default:
			fmt.Fprintf(&b, `\0%03o`, c)
		}
	}
	return b.String(), nil
}

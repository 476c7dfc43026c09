package channel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// socketCost is what a websocket may allocate beyond four times what it reads:
// for the upgrade and its buffers, those that it reads ahead with among them, for
// each ping a pong with its timer, and for each message its reader.
func socketCost(wire []byte) int {
	limit := 20<<10 + aheadSizes[1] + aheadSizes[2] + bounds.Wire(len(wire))
	for len(wire) >= 2 {
		length, head := int(wire[1]&0x7f), 2
		switch {
		case length == 126 && len(wire) >= 4:
			length, head = int(binary.BigEndian.Uint16(wire[2:])), 4
		case length == 127 && len(wire) >= 10:
			length, head = int(min(binary.BigEndian.Uint64(wire[2:]), 1<<40)), 10
		}
		if wire[1]&0x80 != 0 {
			head += 4
		}
		if wire[0]&0x0f == websocket.PingMessage {
			limit += 768
		}
		limit += 32
		wire = wire[min(head+length, len(wire)):]
	}
	return limit
}

// saidConn is a connection on which the other end says what it says at once,
// and then hangs up.
type saidConn struct {
	net.Conn // nil: what is not here is not called
	said     io.Reader
	wrote    int
	answer   func(request []byte) io.Reader // of the first write
	record   func([]byte)                   // or nil: sees each write
	fail     error                          // what writes fail with
}

func (c *saidConn) Read(p []byte) (int, error) { return c.said.Read(p) }

func (c *saidConn) Write(p []byte) (int, error) {
	if c.answer != nil {
		c.said, c.answer = c.answer(p), nil
		return len(p), nil
	}
	if c.fail != nil {
		return 0, c.fail
	}
	if c.record != nil {
		c.record(p)
	}
	c.wrote += len(p)
	return len(p), nil
}

func (c *saidConn) Close() error                     { return nil }
func (c *saidConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *saidConn) SetDeadline(time.Time) error      { return nil }
func (c *saidConn) SetReadDeadline(time.Time) error  { return nil }
func (c *saidConn) SetWriteDeadline(time.Time) error { return nil }

// hijacked makes it the connection of an http.ResponseWriter.
type hijacked struct {
	http.ResponseWriter
	conn *saidConn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// hostileFrames adds frames that ask for much, as a server sends them.
func hostileFrames(f *testing.F, masked bool) {
	f.Helper()
	message := AppendMessage(nil, &Message{Type: TypeOutput, CreatedDate: 1, PayloadType: PayloadOutput, Payload: []byte("hello")})
	for _, frames := range [][]byte{
		append([]byte{0x82, 126, 0, byte(len(message))}, message...),
		{0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0},                   // 1 GiB
		{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, // a negative length
		bytes.Repeat([]byte{0x89, 0}, 2<<10),                     // pings
		append([]byte{0x02, 0}, bytes.Repeat([]byte{0x00, 1, 'x'}, 2<<10)...),
		append([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, make([]byte, 64<<10)...),
		bytes.Repeat(append([]byte{0x02, 126, 0x80, 0}, make([]byte, 32<<10)...), 3), // each first, none last
		{0x88, 2, 3, 0xe8}, {0x8a, 3, 'a', 'b', 'c'}, {0xf2, 0}, {0x81, 1, 0xff},
	} {
		if masked { // each of them with a key of zeros
			frames = append([]byte{frames[0], frames[1] | 0x80, 0, 0, 0, 0}, frames[2:]...)
		}
		f.Add(frames)
	}
}

// readAll reads frames to the end and returns how many bytes they had.
func readAll(t *testing.T, transport Transport) (total int) {
	for {
		frame, err := transport.ReadFrame()
		if err != nil {
			if _, err := transport.ReadFrame(); err == nil {
				t.Fatal("a frame after an error")
			}
			return total
		}
		if len(frame.Data) > readLimit {
			t.Fatalf("a frame of %d bytes", len(frame.Data))
		}
		total += len(frame.Data)
	}
}

// checkSocket reads hostile bytes through a socket that open makes, and checks
// that no more comes out of it than went in, in either direction.
func checkSocket(t *testing.T, wire []byte, open func(*saidConn) Transport) {
	bounds.Check(t, socketCost(wire), func() {
		conn := &saidConn{said: bytes.NewReader(wire)}
		transport := open(conn)
		conn.wrote = 0
		if got := readAll(t, transport); got > len(wire) {
			t.Fatalf("%d bytes became %d", len(wire), got)
		}
		transport.Close()
		if most := 4*len(wire) + 256; conn.wrote > most { // a mask for each pong, and a close
			t.Fatalf("%d bytes were answered with %d", len(wire), conn.wrote)
		}
	})
}

// FuzzDialledWebsocket is a client whose server sends anything behind the
// upgrade.
func FuzzDialledWebsocket(f *testing.F) {
	hostileFrames(f, false)
	f.Fuzz(func(t *testing.T, wire []byte) {
		checkSocket(t, wire, func(conn *saidConn) Transport {
			return dialled(t, conn)
		})
	})
}

// dialled is a client's socket over a connection that upgrades it, and goes on
// with what it says.
func dialled(t testing.TB, conn *saidConn) *socket {
	frames := conn.said
	conn.answer = func(request []byte) io.Reader {
		_, key, _ := strings.Cut(string(request), "Sec-WebSocket-Key: ")
		key, _, _ = strings.Cut(key, "\r\n")
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		return io.MultiReader(strings.NewReader("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n"), frames)
	}
	dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
		return &aheadConn{Conn: conn}, nil
	}, WriteBufferPool: &controlBuffers, ReadBufferSize: socketBuffer, WriteBufferSize: socketBuffer}
	c, _, err := dialer.DialContext(t.Context(), "ws://node.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSocket(c, WebsocketOptions{})
	s.client = true
	return s
}

// accepted is the service's socket over a connection.
func accepted(t testing.TB, conn *saidConn) *socket {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		r.Header.Set(name, value)
	}
	transport, err := AcceptWebsocket(hijacked{httptest.NewRecorder(), conn}, r)
	if err != nil {
		t.Fatal(err)
	}
	return transport.(*socket)
}

// socketOver is a socket of either end over a connection that says nothing.
func socketOver(t testing.TB, conn *saidConn, client bool) *socket {
	t.Helper()
	s := accepted
	if client {
		s = dialled
	}
	made := s(t, conn)
	t.Cleanup(func() { made.Close() })
	return made
}

// readByGorilla reads the frames of a client, or of a service.
func readByGorilla(t testing.TB, wire []byte, client bool) (messages [][]byte) {
	t.Helper()
	conn := &saidConn{said: bytes.NewReader(wire)}
	end := socketOver(t, conn, !client).conn
	for {
		_, message, err := end.ReadMessage()
		if err != nil {
			return messages
		}
		messages = append(messages, message)
	}
}

// FuzzAcceptedWebsocket is the service, whose client sends anything.
func FuzzAcceptedWebsocket(f *testing.F) {
	hostileFrames(f, true)
	f.Fuzz(func(t *testing.T, wire []byte) {
		checkSocket(t, wire, func(conn *saidConn) Transport {
			return accepted(t, conn)
		})
	})
}

// FuzzUpgrade is what a server says instead of an upgrade.
func FuzzUpgrade(f *testing.F) {
	for _, answer := range []string{"", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", "HTTP/1.1 301 \r\nLocation: ws://elsewhere/\r\n\r\n",
		"HTTP/1.1 101 x\r\n" + strings.Repeat("a:\r\n", 4<<10)} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		// net/http keeps a header in a map: a line of four bytes takes about 100.
		bounds.Check(t, 64<<10+32*len(answer), func() {
			dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
				return &saidConn{answer: func([]byte) io.Reader { return bytes.NewReader(answer) }}, nil
			}}
			conn, _, err := dialer.DialContext(t.Context(), "ws://node.test/", nil)
			if err == nil {
				conn.Close()
				t.Fatalf("%q upgraded the connection, and cannot know the key", answer)
			}
		})
	})
}

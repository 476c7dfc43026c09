package tunnel

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
	"testing"

	"github.com/xtaci/smux"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// hostilePort is a port session whose other end says what it says at once, and
// whose session is over behind it.
type hostilePort struct {
	mu    sync.Mutex // protects what follows
	said  []byte
	wrote int
	left  chan struct{} // closed by Close
	once  sync.Once
}

func (p *hostilePort) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.said) == 0 {
		return 0, errSessionOver // as endless has it
	}
	n := copy(b, p.said)
	p.said = p.said[n:]
	return n, nil
}

func (p *hostilePort) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrote += len(b)
	return len(b), nil
}

func (p *hostilePort) Close() error {
	p.once.Do(func() { close(p.left) })
	return nil
}

// frame makes a frame of smux version 1.
func frame(command byte, stream uint32, data string) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{1, command}, uint16(len(data)))
	return append(binary.LittleEndian.AppendUint32(b, stream), data...)
}

const (
	smuxSYN, smuxFIN, smuxPSH, smuxNOP = 0, 1, 2, 3
)

func hostileMux(f *testing.F) {
	f.Helper()
	for _, frames := range [][][]byte{
		{frame(smuxSYN, 1, ""), frame(smuxPSH, 1, "hello"), frame(smuxFIN, 1, "")},
		{frame(smuxSYN, 2, ""), frame(smuxSYN, 2, ""), frame(smuxPSH, 7, "nobody's"), frame(smuxNOP, 0, "")},
		{frame(smuxPSH, 3, "x"), {1, smuxPSH, 0xff, 0xff, 3, 0, 0, 0, 'x'}},
		{{2, smuxSYN, 0, 0, 1, 0, 0, 0}}, {{1, 4, 8, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}}, {{1}},
		{bytes.Repeat(frame(smuxNOP, 0, ""), 500)},
	} {
		f.Add(bytes.Join(frames, nil))
	}
	var many []byte
	for id := range uint32(300) {
		many = append(many, frame(smuxSYN, id*2+1, "")...)
	}
	f.Add(many)
}

// muxCost is what multiplexing may allocate beyond four times the frames: for
// itself, its goroutines' queues and a buffer of the pool of 64 KiB, and for
// each stream its channels.
func muxCost(said []byte) int {
	streams := bytes.Count(said, []byte{1, smuxSYN})
	return 256<<10 + bounds.Wire(len(said)) + 4<<10*streams
}

// checkMux opens a multiplexer over what a hostile end says, accepts what it
// opens and reads all of it: no more comes out than went in.
func checkMux(t *testing.T, said []byte, open func(io.ReadWriteCloser, *smux.Config) (*smux.Session, error)) {
	if len(said) > 64<<10 {
		return
	}
	bounds.Check(t, muxCost(said), func() {
		port := &hostilePort{said: bytes.Clone(said), left: make(chan struct{})}
		mux, err := open(port, muxConfig(false))
		if err != nil {
			t.Fatal(err)
		}
		var work sync.WaitGroup
		var mu sync.Mutex
		total := 0
		for {
			stream, err := mux.AcceptStream()
			if err != nil {
				break
			}
			work.Go(func() { // ends with the stream or the session
				n, _ := io.Copy(io.Discard, onlyReader{stream})
				stream.Close()
				mu.Lock()
				total += int(n)
				mu.Unlock()
			})
		}
		mux.Close()
		work.Wait()
		<-port.left
		if total > len(said) {
			t.Fatalf("%d bytes became %d", len(said), total)
		}
	})
}

// FuzzMuxClient is a client whose agent sends anything.
func FuzzMuxClient(f *testing.F) {
	hostileMux(f)
	f.Fuzz(func(t *testing.T, said []byte) { checkMux(t, said, smux.Client) })
}

// FuzzMuxServer is an agent whose client sends anything.
func FuzzMuxServer(f *testing.F) {
	hostileMux(f)
	f.Fuzz(func(t *testing.T, said []byte) { checkMux(t, said, smux.Server) })
}

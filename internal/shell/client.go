package shell

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Options of a Client; the zero value is right for an unknown target.
type Options struct {
	// Servers are the step servers to choose from, in order: the first that
	// the target can run. Nil is perl, python3, sh.
	Servers []string
	// Silence is how long a step may be silent before the server is asked
	// whether it is still there, and how long its answer may take. 30 s when 0.
	Silence time.Duration

	binSh       string        // instead of /bin/sh, for tests
	streamAfter time.Duration // instead of the constant, for tests
	static      func() string // puts the static step server in a directory of its own, for tests whose Servers have it
	piece       int64         // of an upload, for tests
}

// Info is what the target said when its step server started.
type Info struct {
	Server string   // perl, python3, sh or static
	Shell  string   // name of the shell that the session gave, "" when it could not be told
	Tools  []string // of base64, gzip, setsid and the like, those that it has
	PID    int      // of the step server
}

// Client runs steps over one remote shell session. It has no goroutines of its
// own: Write does the work of decoding in the goroutine of the session that
// calls it, and calls the writers of the running step there.
//
// Boot and Run may be called from any goroutine; one call is under way at a
// time, others wait for it.
type Client struct {
	in   io.Writer
	opts Options
	busy chan struct{} // holds a token while Boot or Run is under way

	lines lines // only touched by Write

	mu      sync.Mutex // protects what follows
	boot    *bootWait  // waits for the answers of a boot; nil outside of one
	server  *server    // the one that answered last; nil before the first boot and after its end
	run     *run       // the step under way
	screen  screen
	tail    []byte // the end of the unfinished line, a prompt perhaps
	lostErr error
	lost    chan struct{} // closed by Lost
	steps   int64         // number of the last step
	shellUp bool          // the loader of an earlier boot is there: no stage 0 is needed
	bootID  string        // its tag
}

// server is a step server that is running on the target.
type server struct {
	info   Info
	words  []string          // what the loader said of the target
	tag    []byte            // "@NONCE ", what its lines begin with
	nonce  string            // typed through the terminal, never in an argument or variable there
	set    map[string]string // what its ready line said
	slot   int               // which of the two state files the last step has saved, sh only; -1 none
	eight  bool              // the session has passed every byte, so output may be denser than base64
	told   bool              // the server knows
	sent   int64             // data lines typed since it started
	gone   chan struct{}     // closed when it ended
	acked  int64             // data lines that it has read; under Client.mu
	notify chan struct{}     // capacity 1: acked has grown
}

// New returns a client that types into in, the session's input. Feed the
// session's output to Write, and call Lost when the session ends.
func New(in io.Writer, opts Options) *Client {
	if opts.Servers == nil {
		opts.Servers = []string{"perl", "python3", "sh"}
	}
	if opts.binSh == "" {
		opts.binSh = "/bin/sh"
	}
	if opts.streamAfter <= 0 {
		opts.streamAfter = streamAfter
	}
	if opts.Silence <= 0 {
		opts.Silence = 30 * time.Second
	}
	return &Client{in: in, opts: opts, busy: make(chan struct{}, 1), lost: make(chan struct{})}
}

// Write takes the session's output. It returns once the output that p held was
// accepted by the running step's writers, so a slow writer holds the session
// back. It never fails; it must not be called concurrently.
func (c *Client) Write(p []byte) (int, error) {
	c.lines.feed(p, c.line)
	c.mu.Lock()
	c.tail = append(c.tail[:0], c.lines.partial[max(0, len(c.lines.partial)-screenSize):]...)
	c.mu.Unlock()
	return len(p), nil
}

// Lost says that the session has ended and why: Boot and Run return, and later
// calls fail.
func (c *Client) Lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.lost:
		return
	default:
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	c.lostErr = fmt.Errorf("session ended: %w", err)
	close(c.lost)
}

// Quit asks the step server and the session's shell to end. It does not wait
// for them; the session ends by itself soon after.
func (c *Client) Quit() error {
	c.mu.Lock()
	s := c.server
	c.server = nil
	up := c.shellUp
	c.shellUp = false
	c.mu.Unlock()
	var text string
	if s != nil {
		text = "#" + s.nonce + " Q\n"
	}
	if up {
		text += "#Q\n"
	}
	_, err := io.WriteString(c.in, text+" exit\n")
	return err
}

// Screen returns the last text of the session that was not the step server's,
// without control sequences: banners, prompts, what a dying shell said.
func (c *Client) Screen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return readable(append(c.screen.text[:len(c.screen.text):len(c.screen.text)], c.tail...))
}

// line takes one line of the session's output. A tag may stand anywhere in it:
// a prompt without a newline can precede it. The tag holds the nonce, so no
// output of a step can contain it.
func (c *Client) line(b []byte) {
	c.mu.Lock()
	s, r, boot, id := c.server, c.run, c.boot, c.bootID
	if s == nil && boot != nil {
		s = boot.server
	}
	c.mu.Unlock()
	if s != nil {
		if i := bytes.Index(b, s.tag); i >= 0 {
			c.stray(b[:i])
			c.message(s, r, boot, parseMessage(b[i+len(s.tag):]))
			return
		}
	}
	if id != "" {
		if i := bytes.Index(b, []byte("@"+id+" ")); i >= 0 {
			c.stray(b[:i])
			c.loaderMessage(boot, parseMessage(b[i+len(id)+2:]))
			return
		}
	}
	c.stray(b)
}

func (c *Client) stray(b []byte) {
	if len(b) == 0 {
		return
	}
	c.mu.Lock()
	c.screen.add(b)
	c.mu.Unlock()
}

// message takes a line of the step server.
func (c *Client) message(s *server, r *run, boot *bootWait, m message) {
	switch m.verb {
	case "R":
		if boot != nil {
			s.set = m.settings()
			boot.answer(bootReady)
		}
	case "8":
		if data, err := decodeRaw(bytes.TrimSuffix(m.rest, []byte(rawTail))); err == nil && bytes.HasSuffix(m.rest, []byte(rawTail)) {
			s.eight = bytes.Equal(data, everyByte())
		}
	case "A":
		if n, ok := m.number(); ok {
			c.mu.Lock()
			s.acked = max(s.acked, n)
			c.mu.Unlock()
			wake(s.notify)
		}
	default:
		if r != nil && r.server == s {
			r.message(m)
		}
	}
}

// loaderMessage takes a line of the loader, the small program that starts step
// servers and stays behind them: r, ready; x, the server has ended.
func (c *Client) loaderMessage(boot *bootWait, m message) {
	switch m.verb {
	case "r":
		if boot != nil {
			boot.tools = string(m.rest)
			boot.answer(bootLoader)
		}
	case "x":
		if id := m.field(); c.ended(id) && boot != nil {
			boot.answer(bootEnded)
		}
	}
}

// ended notes that the server with this start number is gone, and reports
// whether it was the one being booted or used.
func (c *Client) ended(start string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.boot != nil && c.boot.start == start {
		return true
	}
	if s := c.server; s != nil && s.set["start"] == start {
		c.server = nil
		close(s.gone)
		return true
	}
	return false
}

// wake puts a token into a channel of capacity one.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

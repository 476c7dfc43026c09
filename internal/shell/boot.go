package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stageZeroAgain is when stage 0 is typed again because nothing answered: a
// shell that was still reading its profile may have thrown its input away.
// The agent itself holds the first output back for 1 s.
const stageZeroAgain = 5 * time.Second

// loaderAgain is how long the loader has to say that it is still there.
const loaderAgain = 2500 * time.Millisecond

// rebootTimeout bounds the boot that Run does when the server has ended.
const rebootTimeout = 15 * time.Second

// bootAnswer is something that a boot waits for.
type bootAnswer int

const (
	bootLoader bootAnswer = iota // the loader is there
	bootReady                    // the step server is there
	bootEnded                    // the step server ended before it was ready
)

// bootWait is a boot under way. tools is written before the answer that says
// so is sent.
type bootWait struct {
	answers chan bootAnswer // a full channel drops: answers come in small numbers
	tools   string
	start   string          // number of the start under way, in the loader's x line
	server  *server         // candidate
	typed   strings.Builder // what may come back as echo
}

func (b *bootWait) answer(a bootAnswer) {
	select {
	case b.answers <- a:
	default:
	}
}

// Boot starts the step server in whatever shell the session gives, and returns
// when it has answered with its nonce. Nothing but the server's own text is
// typed before that. The error is a *BootError; ctx bounds the wait. After an
// error Boot may be called again. When the server is there already it returns
// at once.
func (c *Client) Boot(ctx context.Context) (Info, error) {
	if err := c.acquire(ctx); err != nil {
		return Info{}, &BootError{Screen: c.Screen(), Err: err}
	}
	defer c.release()
	s, err := c.up(ctx)
	if err != nil {
		return Info{}, err
	}
	return s.info, nil
}

// up returns the running server, or starts one. The error is a *BootError.
func (c *Client) up(ctx context.Context) (*server, error) {
	c.mu.Lock()
	s := c.server
	boot := &bootWait{answers: make(chan bootAnswer, 16)}
	if s == nil {
		c.boot = boot
	}
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	defer func() {
		c.mu.Lock()
		c.boot = nil
		c.mu.Unlock()
	}()
	s, err := c.start(ctx, boot)
	if err != nil {
		return nil, &BootError{Screen: withoutEcho(c.Screen(), boot.typed.String()), Err: err}
	}
	return s, nil
}

// start starts a server, over the loader that is there or another.
func (c *Client) start(ctx context.Context, boot *bootWait) (*server, error) {
	c.mu.Lock()
	loaded := c.shellUp
	c.mu.Unlock()
	if loaded {
		loaded = c.askLoader(ctx, boot)
	}
	if !loaded {
		if err := c.stageZero(ctx, boot); err != nil {
			return nil, err
		}
	}
	return c.stageOne(ctx, boot)
}

// askLoader reports whether the loader has outlived its server. A reader of the
// sh server that is about to die of its signal may still take one byte, so the
// first is one that does not matter, and the question is asked twice.
func (c *Client) askLoader(ctx context.Context, boot *bootWait) bool {
	for range 2 {
		ask, cancel := context.WithTimeout(ctx, loaderAgain)
		err := c.typeAndWait(ask, boot, "\n#R\n", bootLoader)
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

// stageZero starts the loader.
func (c *Client) stageZero(ctx context.Context, boot *bootWait) error {
	id := randomID(8)
	c.mu.Lock()
	c.bootID, c.shellUp = id, false
	c.mu.Unlock()
	text := loaderCommand(c.opts.binSh, id)
	for {
		try, cancel := context.WithTimeout(ctx, stageZeroAgain)
		err := c.typeAndWait(try, boot, text, bootLoader)
		cancel()
		if err == nil {
			c.mu.Lock()
			c.shellUp = true
			c.mu.Unlock()
			return nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no answer from the session's shell: %w", err)
		}
		// An interrupt first: it ends an unfinished line, or a program that
		// a profile has left in the foreground.
		text = "\x03\n" + loaderCommand(c.opts.binSh, id)
	}
}

// stageOne has the loader start the best step server that the target can run.
func (c *Client) stageOne(ctx context.Context, boot *bootWait) (*server, error) {
	tools := strings.Fields(boot.tools)
	var last error = errors.New("the target has none of them")
	for _, name := range c.opts.Servers {
		if name != "sh" && name != "static" && !slices.Contains(tools, name) {
			continue
		}
		s, err := c.startServer(ctx, boot, tools, func(start, nonce string) string {
			return c.serverText(name, start, nonce)
		})
		if err == nil {
			return s, nil
		}
		last = fmt.Errorf("%s: %w", name, err)
		if !errors.Is(err, errServerEnded) {
			break
		}
	}
	return nil, fmt.Errorf("step server: %w", last)
}

// startServer types what starts a server, and waits until it is ready.
func (c *Client) startServer(ctx context.Context, boot *bootWait, tools []string, text func(start, nonce string) string) (*server, error) {
	s := &server{nonce: randomID(16), words: tools, slot: -1, gone: make(chan struct{}), notify: make(chan struct{}, 1)}
	s.tag = []byte("@" + s.nonce + " ")
	c.mu.Lock()
	c.steps++
	boot.start = strconv.FormatInt(c.steps, 10)
	boot.server = s
	c.mu.Unlock()
	if err := c.typeAndWait(ctx, boot, text(boot.start, s.nonce), bootReady); err != nil {
		return nil, err
	}
	s.set["start"] = boot.start
	s.info = infoOf(s.set, tools)
	c.mu.Lock()
	c.server = s
	c.mu.Unlock()
	return s, nil
}

var errServerEnded = errors.New("it ended before it was ready")

// typeAndWait types text and waits for an answer.
func (c *Client) typeAndWait(ctx context.Context, boot *bootWait, text string, want bootAnswer) error {
	boot.typed.WriteString(text)
	if _, err := io.WriteString(c.in, text); err != nil {
		return err
	}
	for {
		select {
		case got := <-boot.answers:
			if got == want {
				return nil
			}
			if got == bootEnded && want == bootReady {
				return errServerEnded
			}
		case <-c.lost:
			return c.lossCause()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func infoOf(set map[string]string, tools []string) Info {
	info := Info{Server: set["server"]}
	info.PID, _ = strconv.Atoi(set["pid"])
	for _, t := range tools {
		if name, ok := strings.CutPrefix(t, "shell="); ok {
			info.Shell = name
		} else {
			info.Tools = append(info.Tools, t)
		}
	}
	return info
}

func (c *Client) acquire(ctx context.Context) error {
	select {
	case <-c.lost:
		return c.lossCause()
	default:
	}
	select {
	case c.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.lost:
		return c.lossCause()
	}
}

func (c *Client) release() { <-c.busy }

func (c *Client) lossCause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lostErr
}

package shell

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultGrace is between INT, TERM and KILL; after KILL the end must be seen
// within reapTime, or the step is lost.
const (
	defaultGrace = 5 * time.Second
	reapTime     = 10 * time.Second
	totalsTime   = 5 * time.Second // for totals that come after the end
)

// streamAfter is when the sh server is told to send the output of a step that
// is still running: that takes processes which a short step is spared.
const streamAfter = 250 * time.Millisecond

// Run runs one step and returns when it has ended, or when it is certain that
// its end will not be seen. Its output goes to stdout and stderr (nil discards)
// while it runs, from the goroutine that calls Write, never after Run has
// returned. An error of a writer leaves its stream not verified and does not
// stop the step.
//
// When ctx is done the step is told to stop: INT to its process group, TERM
// after Step.Grace, KILL after another; Run still waits for its end and
// returns a Result with Cancelled. The session can run further steps.
//
// The error is a *RefusedError or *BootError when nothing of the step has run,
// and a *LostError when its outcome is unknown.
func (c *Client) Run(ctx context.Context, step Step, stdout, stderr io.Writer) (Result, error) {
	if err := step.check(); err != nil {
		return Result{}, &RefusedError{Err: err}
	}
	if err := c.acquire(ctx); err != nil {
		return Result{}, &RefusedError{Err: err}
	}
	defer c.release()
	bootCtx, cancel := context.WithTimeout(ctx, rebootTimeout)
	s, err := c.up(bootCtx)
	cancel()
	if err != nil {
		return Result{}, err
	}
	r := c.begin(s, stdout, stderr)
	defer c.detach(r)
	if err := c.send(ctx, s, r, &step); err != nil {
		var started sentError
		if !errors.As(err, &started) {
			return Result{}, &RefusedError{Err: err}
		}
		return Result{}, c.lose(r, err)
	}
	return c.await(ctx, s, r, &step)
}

func (c *Client) begin(s *server, stdout, stderr io.Writer) *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps++
	r := &run{
		server: s,
		number: strconv.FormatInt(c.steps, 10),
		began:  make(chan struct{}),
		end:    make(chan ending, 1),
		alive:  make(chan struct{}, 1),
		exited: make(chan struct{}, 1),
		room:   make(chan struct{}, 1),
	}
	r.streams = [2]*stream{{out: stdout}, {out: stderr}}
	c.run = r
	return r
}

// detach waits for a write that is under way and lets no other begin.
func (c *Client) detach(r *run) {
	c.mu.Lock()
	c.run = nil
	c.mu.Unlock()
	r.out.Lock()
	r.gone = true
	r.out.Unlock()
}

// sentError is an error after which the step may have begun.
type sentError struct{ error }

func (e sentError) Unwrap() error { return e.error }

// send types the step's texts, then the line that starts it. Everything but a
// large script or input goes out in one write.
func (c *Client) send(ctx context.Context, s *server, r *run, step *Step) error {
	if s.info.Server == "sh" && step.Stdin != nil && s.set["dir"] == "/dev/null/none" {
		return errors.New("the target has no directory that the step server can write to, so it cannot pass stdin")
	}
	t := &typist{c: c, s: s}
	if s.eight && !s.told {
		t.line("8")
		s.told = true
	}
	prologue, source, stdin := step.texts(c.carry(s, r, step))
	if err := t.blob(ctx, "W", []byte(prologue)); err != nil {
		return err
	}
	if err := t.blob(ctx, "S", source); err != nil {
		return err
	}
	if stdin != nil {
		if err := t.blob(ctx, "I", stdin); err != nil {
			return err
		}
	}
	t.live(step)
	if err := ctx.Err(); err != nil {
		return err
	}
	line := "X " + r.number
	if s.info.Server == "sh" {
		marker := randomID(12)
		for _, st := range r.streams {
			st.marker = []byte(marker)
		}
		carried := "-"
		if s.slot >= 0 {
			carried = "c"
		}
		line += " " + marker + " " + joinedBytes(marker, 10) + " " + strings.Join(markerPatterns(marker, s.set["enc"]), " ") + " " + carried
	}
	t.line(line + " " + strings.Join(step.argv(), " "))
	if err := t.flush(); err != nil {
		return sentError{err}
	}
	return nil
}

// texts are what the step's shell reads from descriptors 9, 8 and 0; a nil
// stdin is /dev/null.
func (s *Step) texts(carry carrying) (prologue string, source, stdin []byte) {
	if s.User == "" {
		return s.prologue(carry), s.source(), s.Stdin
	}
	mark := "ssmrun-" + randomID(8)
	prologue, stdin = s.userPrologue(carry, mark), s.userStdin(mark)
	if s.Input != nil && !s.Terminal {
		s.before, stdin = stdin, nil
	}
	return prologue, nil, stdin
}

// carries reports whether the step's shell saves its state.
func (s *Step) carries() bool { return s.User == "" && s.program().posix }

func (c *Client) carry(s *server, r *run, step *Step) carrying {
	if s.info.Server != "sh" {
		return carryByEnviron
	}
	n, _ := strconv.ParseInt(r.number, 10, 64)
	list := carryAwk(s.set["awk"])
	if s.set["carry"] == "1" && slices.Equal(step.argv(), []string{"sh"}) {
		list = carryExports
	}
	return carryByFile(s.set["dir"], list, s.slot, 1-max(s.slot, 0), n)
}

// await waits for the end of a step that was sent.
func (c *Client) await(ctx context.Context, s *server, r *run, step *Step) (Result, error) {
	stop := stopper{grace: step.Grace}
	if stop.grace <= 0 {
		stop.grace = defaultGrace
	}
	stream := time.NewTimer(c.opts.streamAfter)
	defer stream.Stop()
	silence := time.NewTimer(c.opts.Silence)
	defer silence.Stop()
	next := time.NewTimer(time.Hour)
	next.Stop()
	defer next.Stop()
	totals := time.NewTimer(time.Hour)
	totals.Stop()
	defer totals.Stop()
	done := ctx.Done()
	asked := false
	input := liveInput{c: c, s: s, r: r, source: step.Input}
	if len(step.before) > 0 {
		if err := input.take(step.before, true); err != nil {
			return c.lastWord(s, r, step, err)
		}
	}
	for {
		select {
		case p, more := <-input.due():
			if err := input.take(p, more); err != nil {
				return c.lastWord(s, r, step, err)
			}
		case <-input.room():
			if err := input.flush(); err != nil {
				return c.lastWord(s, r, step, err)
			}
		case e := <-r.end:
			return c.conclude(s, r, step, e, stop.sent > 0)
		case <-s.gone:
			return c.lastWord(s, r, step, errServerGone)
		case <-c.lost:
			return c.lastWord(s, r, step, c.lossCause())
		case <-r.exited:
			totals.Reset(totalsTime)
		case <-totals.C:
			r.settle()
		case <-r.alive:
			asked = false
			silence.Reset(c.opts.Silence)
		case <-stream.C:
			if s.set["pipe"] == "1" {
				if err := c.typeLine(s, "s "+r.number); err != nil {
					return c.lastWord(s, r, step, err)
				}
			}
		case <-silence.C:
			if asked && !r.writing() {
				c.abandon(s)
				return c.lastWord(s, r, step, errors.New("the step server does not answer"))
			}
			asked = true
			silence.Reset(c.opts.Silence)
			if err := c.typeLine(s, "p "+r.number); err != nil {
				return c.lastWord(s, r, step, err)
			}
		case <-done:
			done = nil
			next.Reset(0)
		case <-next.C:
			signal, wait := stop.next()
			if signal == "" {
				return c.lastWord(s, r, step, errors.New("it was killed, and its end did not come"))
			}
			next.Reset(wait)
			if err := c.typeLine(s, "K "+r.number+" "+signal); err != nil {
				return c.lastWord(s, r, step, err)
			}
		}
	}
}

// stopper says which signal comes next when a step is stopped.
type stopper struct {
	grace time.Duration
	sent  int
}

func (s *stopper) next() (signal string, wait time.Duration) {
	s.sent++
	switch s.sent {
	case 1:
		return "INT", s.grace
	case 2:
		return "TERM", s.grace
	case 3:
		return "KILL", reapTime
	}
	return "", 0
}

func (c *Client) typeLine(s *server, text string) error {
	_, err := io.WriteString(c.in, "#"+s.nonce+" "+text+"\n")
	return err
}

// abandon forgets a server that does not answer: the next step boots again.
func (c *Client) abandon(s *server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == s {
		c.server = nil
		c.shellUp = false
		close(s.gone)
	}
}

// lastWord prefers an end that came just before the loss was noticed.
func (c *Client) lastWord(s *server, r *run, step *Step, cause error) (Result, error) {
	select {
	case e := <-r.end:
		return c.conclude(s, r, step, e, false)
	default:
		return Result{}, c.lose(r, cause)
	}
}

func (c *Client) lose(r *run, cause error) error {
	began := false
	select {
	case <-r.began:
		began = true
	default:
	}
	return &LostError{Began: began, Screen: c.Screen(), Err: cause}
}

func (c *Client) conclude(s *server, r *run, step *Step, e ending, stopped bool) (Result, error) {
	if e.refused != nil {
		return Result{}, &RefusedError{Err: e.refused}
	}
	if e.lost != nil {
		return Result{}, c.lose(r, e.lost)
	}
	if s.info.Server == "sh" {
		if e.result.StateSaved {
			s.slot = 1 - max(s.slot, 0)
		}
		e.result.Cancelled = e.result.Cancelled || stopped
	}
	if !step.carries() {
		e.result.StateSaved = true // there is nothing to carry
	}
	return e.result, nil
}

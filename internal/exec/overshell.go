package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/shell"
)

// shellClient is the step server over the one session of a shell-kind job.
type shellClient struct {
	*shell.Client
	session *openSession
	watched chan struct{} // closed when the watching goroutine has ended
}

// overShell runs an attempt through the step server of the job's session, which
// is started by the first step that needs it.
func (a *attempt) overShell(ctx context.Context) ending {
	client, e := a.liveClient(ctx)
	if client == nil {
		return e
	}
	if e, ok := a.commence(); !ok {
		return e
	}
	ctx, release := attemptLimits(ctx, a.step, *a.first)
	defer release()
	if len(a.work.Prompts) > 0 {
		return a.interact(ctx, client)
	}
	stdout, stderr := &tail{Writer: a.out.stdout}, &tail{Writer: a.out.stderr}
	result, err := client.Run(ctx, a.shellStep(), stdout, stderr)
	if a.step.Terminal {
		stderr = stdout
	}
	return a.overShellEnd(ctx, client, result, stderr, err)
}

// overShellEnd is the end of an attempt that was given to the step server.
func (a *attempt) overShellEnd(ctx context.Context, client *shellClient, result shell.Result, last *tail, err error) ending {
	var refused *shell.RefusedError
	var boot *shell.BootError
	switch {
	case err == nil:
		e := a.ended(ctx, result)
		e.note = a.passwordNote(result, last)
		return e
	case errors.As(err, &refused) && !isClosed(client.session.Done()):
		return a.refused(ctx, refused)
	case errors.As(err, &refused), errors.As(err, &boot):
		a.dropShell()
		return ending{outcome: outcome.Unreachable, why: err.Error()}
	}
	err = client.session.withOutage(err)
	a.dropShell()
	return a.lost(ctx, err)
}

// refused is the end of an attempt that was not started.
func (a *attempt) refused(ctx context.Context, err error) ending {
	if ctx.Err() != nil {
		o, why := stoppedAs(ctx)
		return ending{outcome: o, why: why + " before it was sent"}
	}
	return ending{outcome: outcome.Failed, why: err.Error()}
}

// ended is the end of an attempt whose end was seen.
func (a *attempt) ended(ctx context.Context, result shell.Result) ending {
	code := result.ExitCode
	e := ending{result: plan.Result{
		ExitCode: &code,
		Signal:   result.Signal,
		Duration: result.Duration,
		Verified: result.Verified(),
	}}
	if e.result.Duration <= 0 {
		e.result.Duration = time.Since(a.began)
	}
	if !result.Cancelled {
		return e
	}
	o, why := stoppedAs(ctx)
	if result.Escaped {
		why += "; something of it still runs on the target"
	}
	e.why = why
	if o == outcome.TimedOut {
		e.result.TimedOut = true
	} else {
		e.outcome = o
	}
	return e
}

// lost is the end of an attempt whose end was not seen.
func (a *attempt) lost(ctx context.Context, err error) ending {
	why := err.Error()
	if ctx.Err() != nil {
		_, cause := stoppedAs(ctx)
		why = cause + ", and then its end was not seen: " + why
	}
	return ending{outcome: outcome.Unknown, why: why}
}

func (a *attempt) shellStep() shell.Step {
	env := make([]shell.EnvVar, len(a.work.Env))
	for i, v := range a.work.Env {
		env[i] = shell.EnvVar(v)
	}
	return shell.Step{
		Script: a.work.Script,
		Shell:  a.work.Shell,
		Args:   a.work.Args,
		Env:    env,
		Dir:    a.work.Dir,
		User:   a.work.User,
		Stdin:  a.work.Stdin,
		Grace:  grace,

		Terminal: a.step.Terminal,
	}
}

// liveClient is client, for an attempt that the end of the session makes
// pointless.
func (a *attempt) liveClient(ctx context.Context) (*shellClient, ending) {
	client, e := a.client(ctx)
	if client != nil && isClosed(client.session.Done()) {
		return nil, ending{outcome: outcome.Unreachable, why: "the session ended before the step was sent: " + endOf(client.session.Session), silent: true}
	}
	return client, e
}

// client returns the step server, booting it over a new session when there is
// none. When it is nil the ending says why; it is silent, as nothing of the step
// was to leave yet.
func (a *attempt) client(ctx context.Context) (*shellClient, ending) {
	if a.shell != nil {
		return a.shell, ending{}
	}
	if !a.step.Finally {
		c, release := a.Brake.untilStop(ctx)
		defer release()
		ctx = c
	}
	client, err := a.openShell(ctx)
	if err != nil {
		e := a.notOpened(ctx, err)
		e.silent = true
		return nil, e
	}
	return client, ending{}
}

// openShell starts a session for the job, which has none, and boots the step
// server over it.
func (a *attempt) openShell(ctx context.Context) (*shellClient, error) {
	input := &lateWriter{}
	client := &shellClient{Client: shell.New(input, shell.Options{Silence: silence}), watched: make(chan struct{})}
	session, err := a.startSession(ctx, a.call(nil), Streams{Stdout: client, Stderr: client})
	if err != nil {
		return nil, err
	}
	input.session.Store(session.Session)
	client.session = session
	a.shell = client // from here on the job ends the session
	go client.watch(a.cut)

	info, err := a.boot(ctx, client)
	if err != nil {
		a.dropShell()
		return nil, err
	}
	if a.Job.Session.Helper && a.noHelper == "" {
		if info, err = a.useHelper(ctx, client, info); err != nil {
			a.dropShell()
			if ctx.Err() != nil {
				return nil, err
			}
			return a.openShell(ctx)
		}
	}
	a.readyShell(session, info)
	return client, nil
}

// interactive reports whether a step of the session takes input while it runs.
func interactive(s *plan.Session) bool {
	return slices.ContainsFunc(slices.Concat(s.Steps, s.Finally), func(step *plan.Step) bool {
		return step.Terminal || len(step.Prompts) > 0
	})
}

// useHelper has the step server of the session replaced by the one that is sent.
// Where that cannot be, the job goes on without, and says so. An error says that
// the session is of no more use; the job then tries another, without the helper.
func (a *attempt) useHelper(ctx context.Context, client *shellClient, info shell.Info) (shell.Info, error) {
	if interactive(a.Job.Session) {
		a.noHelper = "it cannot run steps with tty or prompt, which the session has"
		return info, nil
	}
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	static, err := client.UseStatic(ctx)
	if err == nil {
		return static, nil
	}
	a.noHelper = err.Error()
	if _, ok := errors.AsType[*shell.StaticError](err); ok {
		return static, nil
	}
	return info, err
}

// boot waits for the channel and then for the step server, each with its own
// deadline. No command leaves before it has answered.
func (a *attempt) boot(ctx context.Context, client *shellClient) (shell.Info, error) {
	opened, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := client.session.Ready(opened); err != nil {
		if refused, ok := errors.AsType[*channel.EncryptionError](err); ok {
			return shell.Info{}, refused // it says all there is
		}
		if ctx.Err() == nil && opened.Err() != nil {
			err = fmt.Errorf("the channel was not ready after %s", readyTimeout)
		}
		return shell.Info{}, err
	}
	answered, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	info, err := client.Boot(answered)
	if err == nil {
		return info, nil
	}
	if ctx.Err() == nil && answered.Err() != nil {
		err = fmt.Errorf("no shell answered within %s: %w", bootTimeout, err)
	}
	if failed, ok := errors.AsType[*shell.BootError](err); ok && failed.Screen != "" {
		err = fmt.Errorf("%w; the session showed: %s", err, lastLines(failed.Screen))
	}
	return shell.Info{}, err
}

// watch tells the step client of the session's end. After a cut it gives the
// session cutGrace to end, then the client is told that nothing more comes. It
// ends with the session.
func (c *shellClient) watch(cut context.Context) {
	defer close(c.watched)
	select {
	case <-c.session.Done():
	case <-cut.Done():
		timer := time.NewTimer(cutGrace)
		defer timer.Stop()
		select {
		case <-c.session.Done():
		case <-timer.C:
			c.Lost(errors.New("interrupted"))
			<-c.session.Done() // dropShell sees to it
			return
		}
	}
	c.Lost(sessionEnd(c.session.Session))
}

// sessionEnd is why a session ended; it has to be over.
func sessionEnd(s *channel.Session) error {
	if err := s.Wait(context.Background()); err != nil {
		return err
	}
	return errors.New("the session ended")
}

func endOf(s *channel.Session) string { return sessionEnd(s).Error() }

// closeShell ends the job's session, if it has one. The shell is told first, so
// that it cleans up after itself.
func (j *jobRun) closeShell() {
	if c := j.shell; c != nil && j.cut.Err() == nil && !isClosed(c.session.Done()) {
		give := time.AfterFunc(quitTimeout, func() { _ = c.session.Close() })
		if c.Quit() == nil {
			<-c.session.Done()
		}
		give.Stop()
	}
	j.dropShell()
}

// dropShell ends the job's session, if it has one, without a word to the shell.
func (j *jobRun) dropShell() {
	c := j.shell
	if c == nil {
		return
	}
	j.shell = nil
	j.endSession(c.session)
	<-c.watched
}

// lateWriter is a session's input that can be named before the session exists.
type lateWriter struct {
	session atomic.Pointer[channel.Session]
}

func (w *lateWriter) Write(p []byte) (int, error) {
	s := w.session.Load()
	if s == nil {
		return 0, io.ErrClosedPipe
	}
	return s.Write(p)
}

// What is shown of a session in a message.
const shownLines, shownRunes = 4, 120

// lastLines is the end of a text, each line quoted, for a message of one line.
func lastLines(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	lines = lines[max(0, len(lines)-shownLines):]
	for i, line := range lines {
		if r := []rune(line); len(r) > shownRunes {
			line = string(r[:shownRunes]) + "..."
		}
		lines[i] = strconv.Quote(line)
	}
	return strings.Join(lines, ", ")
}

// lastRunes keeps the last n characters.
func lastRunes(s string, n int) string {
	r := []rune(s)
	return string(r[max(0, len(r)-n):])
}

package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/shell"
)

// openSession is a session that was started and has to be terminated.
type openSession struct {
	*channel.Session
	began time.Time
	id    atomic.Value // ID, for what may be called before Start has returned

	parting atomic.Bool   // its end is expected: a lost connection is not news
	lost    chan struct{} // has a token when its connection was lost meanwhile
}

// call is the StartSession call of this job, with parameters of a step's own.
func (j *jobRun) call(own map[string][]string) plan.Call {
	parameters := j.start.Parameters
	if len(own) > 0 {
		parameters = make(map[string][]string, len(j.start.Parameters)+len(own))
		maps.Copy(parameters, j.start.Parameters)
		maps.Copy(parameters, own)
	}
	return plan.Call{
		Provider:   j.Job.Target.Provider,
		Target:     j.Job.Target.ID,
		Document:   j.Job.Document,
		Parameters: parameters,
		Reason:     j.opts.Reason(j.start.Reason, j.opts.RunID, j.Job.Address),
		Port:       jobKind(j.Job) == plan.KindPort,

		RequireEncryption: j.Job.Session.RequireEncryption,
		KMSKeyID:          j.Job.Session.KMSKeyID,
	}
}

// startSession records the intent, together with the given facts, and starts a
// session. A session that is returned has to be ended by endSession.
func (j *jobRun) startSession(ctx context.Context, call plan.Call, streams Streams, intents ...event.Fact) (*openSession, error) {
	defer j.Started()
	j.opened++
	facts := append([]event.Fact{event.SessionStart{
		Job:      jobIdent(j.Job),
		Attempt:  j.opened,
		Kind:     string(jobKind(j.Job)),
		Document: call.Document,
		Reason:   call.Reason,
	}}, intents...)
	if err := j.commit(facts...); err != nil {
		return nil, &unrecordedError{err}
	}
	streams.Stdout, streams.Stderr = guard(streams.Stdout), guard(streams.Stderr)
	s := &openSession{began: time.Now(), lost: make(chan struct{}, 1)}
	streams.OnReconnect = j.reconnects(s)
	var err error
	s.Session, err = j.opts.Starter.Start(ctx, call, streams, j.waits())
	if err == nil {
		s.id.Store(s.ID())
		return s, nil
	}
	if ambiguous(err) {
		j.result.Orphan = true
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = &endedStartError{err: err, why: endedBy(ctx)}
	}
	j.log.Emit(event.SessionComplete{Job: jobIdent(j.Job), Error: err.Error()})
	return nil, err
}

// endedStartError is the error of a start that this end gave up, with what made it
// do so in place of the context's two words.
type endedStartError struct {
	err error
	why string
}

func (e *endedStartError) Error() string {
	return strings.ReplaceAll(e.err.Error(), context.Canceled.Error(), e.why)
}
func (e *endedStartError) Unwrap() error { return e.err }

// endedBy is what made a context end, for people.
func endedBy(ctx context.Context) string {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, context.Canceled) {
		return "interrupted"
	}
	return cause.Error()
}

// unrecordedError says that nothing was started because it could not be
// recorded.
type unrecordedError struct{ err error }

func (e *unrecordedError) Error() string { return "its start could not be recorded" }
func (e *unrecordedError) Unwrap() error { return e.err }

// ambiguous reports whether StartSession may have started a session although it
// returned an error.
func ambiguous(err error) bool {
	var a interface{ Ambiguous() bool }
	return errors.As(err, &a) && a.Ambiguous()
}

// waits returns a progress function that tells of every new reason to wait, and
// of an old one from time to time.
func (j *jobRun) waits() func(plan.Progress) {
	var last plan.Progress
	var told time.Time
	return func(p plan.Progress) {
		if p.Why == last.Why && time.Since(told) < 10*time.Second {
			return
		}
		last, told = p, time.Now()
		j.log.Emit(event.SessionQueued{
			Job:         jobIdent(j.Job),
			Why:         p.Why,
			WaitSeconds: int(p.Wait.Round(time.Second) / time.Second),
		})
	}
}

func (j *jobRun) reconnects(s *openSession) func(int, error) {
	ident, log := jobIdent(j.Job), j.log
	return func(attempt int, cause error) {
		if s.parting.Load() {
			select {
			case s.lost <- struct{}{}:
			default:
			}
			return
		}
		f := event.SessionReconnect{Job: ident, Attempt: attempt}
		f.SessionID, _ = s.id.Load().(string)
		if cause != nil {
			f.Cause = cause.Error()
		}
		log.Emit(f)
	}
}

// ready tells that the session takes steps.
func (j *jobRun) ready(s *openSession) { j.log.Emit(j.readyFact(s)) }

// readyShell tells it of a session whose steps a step server runs.
func (j *jobRun) readyShell(s *openSession, info shell.Info) {
	f := j.readyFact(s)
	f.Shell, f.Server, f.NoHelper = info.Shell, info.Server, j.noHelper
	j.log.Emit(f)
}

func (j *jobRun) readyFact(s *openSession) event.SessionReady {
	f := event.SessionReady{
		Job:          jobIdent(j.Job),
		SessionID:    s.ID(),
		AgentVersion: s.AgentVersion(),
		DurationMS:   time.Since(s.began).Milliseconds(),
	}
	if j.tunnel != nil {
		f.LocalPort = j.tunnel.number
	}
	return f
}

// endSession drops the channel and terminates the session, also when the run
// was cut: it has a limit of its own.
func (j *jobRun) endSession(s *openSession) {
	_ = s.Close() // how the session ended is Wait's to say
	ctx, cancel := context.WithTimeout(context.WithoutCancel(j.cut), terminateTimeout)
	defer cancel()
	err := j.opts.Starter.Terminate(ctx, j.Job.Target.Provider, s.ID())
	f := event.SessionComplete{Job: jobIdent(j.Job), SessionID: s.ID(), Terminated: err == nil}
	if err != nil {
		f.Error = err.Error()
		j.left(OpenSession{Provider: j.Job.Target.Provider, ID: s.ID(), Job: j.Job.Address, Err: err})
	}
	j.log.Emit(f)
}

// endWhenLost ends the session when its connection is lost, instead of resuming
// it, until the function is called that it returns.
func (s *openSession) endWhenLost() (release func()) {
	s.parting.Store(true)
	released, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-s.lost:
			_ = s.Close()
		case <-s.Done():
		case <-released:
		}
	}()
	return func() {
		close(released)
		<-over
		s.parting.Store(false)
	}
}

// notOpened is the end of an attempt whose session did not come about: no
// command left this process.
func (j *jobRun) notOpened(ctx context.Context, err error) ending {
	var unrecorded *unrecordedError
	if errors.As(err, &unrecorded) {
		return ending{outcome: outcome.NotStarted, why: err.Error(), silent: true}
	}
	if ctx.Err() == nil {
		return ending{outcome: outcome.Unreachable, why: err.Error()}
	}
	if o, why := stoppedAs(ctx); o == outcome.TimedOut {
		return ending{outcome: outcome.Unreachable, why: why + " before the session was open"}
	}
	why, _ := j.stopped()
	return ending{outcome: outcome.NotStarted, why: why}
}

// guarded keeps a panic in what reads a session's output from taking the
// process down: the session ends with an error instead.
type guarded struct{ w io.Writer }

func guard(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return guarded{w}
}

func (g guarded) Write(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("read the session's output: internal error: %v\n%s", v, debug.Stack())
		}
	}()
	return g.w.Write(p)
}

package exec

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/outcome"
	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/tunnel"
)

const (
	// newsWait is how long after a local command failed its tunnel may still
	// say why: both learn of a refused connection at the same time.
	newsWait = 200 * time.Millisecond
	// maxTroubles bounds what is remembered of failed connections.
	maxTroubles = 3
)

// portTunnel is the tunnel of a port-kind job. Its local port is the job's from
// the beginning to the end; the session behind it is started by the first step
// that needs it, and again when it has ended: a tunnel has no state to lose.
type portTunnel struct {
	number int
	port   *localPort

	session *openSession // nil: none was started
	cancel  context.CancelFunc
	ended   chan struct{} // closed when nothing is carried any more
	err     error         // why, once ended is closed; nil when we ended it
	stream  *plainStream  // of a session that carries no more than one connection

	mu       sync.Mutex // protects what follows
	troubles []string
	told     chan struct{} // closed with the first of them
}

// holdPort takes the local port of a port-kind job, so that one in use costs no
// session, and so that steps can be rendered before there is one.
func (j *jobRun) holdPort() bool {
	if jobKind(j.Job) != plan.KindPort {
		return true
	}
	l, err := tunnel.Listen(j.cut, j.start.LocalPort)
	if err != nil {
		j.result = JobResult{Outcome: outcome.Failed, Why: err.Error()}
		return false
	}
	j.tunnel = &portTunnel{number: tunnel.LocalPort(l), port: newLocalPort(l)}
	j.own.LocalPort = j.tunnel.number
	return true
}

// overTunnel runs a local command while the job's tunnel is open.
func (a *attempt) overTunnel(ctx context.Context) ending {
	if e, ok := a.openTunnel(ctx); !ok {
		e.silent = true // no step_start: the command was not to begin yet
		return e
	}
	a.tunnel.listen()
	e := a.local(ctx)
	if !e.silent {
		e.note = a.tunnel.news(e.result.ExitCode == nil || *e.result.ExitCode != 0)
	}
	return e
}

// openTunnel sees to it that there is a session behind the local port. When it
// returns false the ending says why not.
func (a *attempt) openTunnel(ctx context.Context) (ending, bool) {
	t := a.tunnel
	if t.carries() {
		return ending{}, true
	}
	a.dropTunnel()
	if !a.step.Finally {
		c, release := a.Brake.untilStop(ctx)
		defer release()
		ctx = c
	}
	session, err := a.startSession(ctx, a.call(nil), Streams{})
	if err != nil {
		return a.notOpened(ctx, err), false
	}
	properties, err := takePort(ctx, session)
	if err != nil {
		a.endSession(session)
		return a.notOpened(ctx, err), false
	}
	t.carry(session, properties)
	a.ready(session)
	return ending{}, true
}

// carries reports whether the session behind the local port is there for one more
// step. A plain stream whose one connection has ended is not.
func (t *portTunnel) carries() bool {
	if t.session == nil || isClosed(t.ended) || isClosed(t.session.Done()) {
		return false
	}
	if t.stream == nil || !isClosed(t.stream.taken) {
		return true
	}
	timer := time.NewTimer(newsWait) // the program of the step before may have just ended
	defer timer.Stop()
	select {
	case <-t.stream.left:
		return false
	case <-timer.C:
		return true
	}
}

// takePort waits until the agent has said which port the session is for.
func takePort(ctx context.Context, session *openSession) (channel.PortProperties, error) {
	opened, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	port, err := session.Port(opened)
	switch {
	case err != nil && ctx.Err() == nil && opened.Err() != nil:
		return channel.PortProperties{}, fmt.Errorf("the channel was not ready after %s", readyTimeout)
	case err != nil:
		return channel.PortProperties{}, err
	case port.Properties().LocalConnectionType == "unix":
		return channel.PortProperties{}, fmt.Errorf("the document forwards a Unix socket, which is not supported: use one with a local port")
	}
	return port.Properties(), nil
}

// carry joins the local port to a session until either ends.
func (t *portTunnel) carry(session *openSession, properties channel.PortProperties) {
	ctx, cancel := context.WithCancel(context.Background())
	l := t.port.lend()
	t.session, t.cancel, t.ended, t.err, t.stream = session, cancel, make(chan struct{}), nil, nil
	if properties.Type != channel.LocalPortForwarding {
		t.stream = newPlainStream(session.Session, properties)
	}
	opts := tunnel.Options{OnError: t.trouble}
	go func() { // ends with ctx or the session
		defer close(t.ended)
		if t.stream == nil {
			t.err = tunnel.Forward(ctx, session.Session, l, opts)
		} else {
			t.err = t.stream.carry(ctx, l, opts)
		}
	}()
}

// listen forgets what went wrong before a step.
func (t *portTunnel) listen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.troubles, t.told = nil, make(chan struct{})
}

// trouble takes word of a connection that failed.
func (t *portTunnel) trouble(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := err.Error()
	if len(t.troubles) >= maxTroubles || slices.Contains(t.troubles, text) || t.told == nil {
		return
	}
	if len(t.troubles) == 0 {
		close(t.told)
	}
	t.troubles = append(t.troubles, text)
}

// news is what went wrong with the tunnel since listen. It is waited for when
// the command failed.
func (t *portTunnel) news(failed bool) string {
	if failed {
		timer := time.NewTimer(newsWait)
		defer timer.Stop()
		select {
		case <-t.told:
		case <-t.ended:
		case <-timer.C:
		}
	}
	t.mu.Lock()
	texts := slices.Clone(t.troubles)
	t.mu.Unlock()
	if isClosed(t.ended) && t.err != nil {
		texts = append(texts, t.err.Error())
	}
	if len(texts) == 0 {
		return ""
	}
	return "the tunnel says: " + strings.Join(texts, "; ")
}

// dropTunnel ends the session behind the local port, if there is one.
func (j *jobRun) dropTunnel() {
	t := j.tunnel
	if t.session == nil {
		return
	}
	if j.cut.Err() != nil {
		_ = t.session.Close() // no time to ask the agent
	}
	t.cancel()
	<-t.ended
	j.endSession(t.session)
	t.session = nil
}

// closeTunnel ends the job's tunnel, if it has one, and gives the port back.
func (j *jobRun) closeTunnel() {
	t := j.tunnel
	if t == nil {
		return
	}
	defer func() {
		t.port.close()
		j.tunnel = nil
	}()
	j.dropTunnel()
}

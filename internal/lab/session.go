package lab

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/tunnel"
)

// idleTimeout ends a session that no client is attached to; it is the
// idleSessionTimeout of the account's preferences document.
const idleTimeout = 20 * time.Minute

// session is one SSM session: what the service knows of it, and the agent that
// serves it.
type session struct {
	id         string
	lab        *Lab
	node       *node
	doc        *document
	properties json.RawMessage
	reason     string
	started    time.Time

	number int // of the node's sessions, from 1
	spent  meter
	faults *sessionFaults
	muted  atomic.Bool // a phase is never answered: nothing more is said
	hung   atomic.Bool // the node's agent hangs

	agent  *channel.Agent
	ctx    context.Context // ends when the session is to end
	cancel context.CancelFunc

	mu       sync.Mutex
	token    string      // guarded by mu: opens the data channel once; "" when used
	attached int         // guarded by mu: connections that are being served
	idle     *time.Timer // guarded by mu: runs while nobody is attached
	status   string      // guarded by mu
	details  string      // guarded by mu
	ended    time.Time   // guarded by mu; zero while it runs
	keyboard keyboard    // guarded by mu: takes input; nil before the process runs
	opens    int         // guarded by mu: data channels opened so far
}

// keyboard takes a session's input messages, as the agent does for its kind.
type keyboard func(payloadType channel.PayloadType, data []byte) error

// SessionInfo is a session as people and tests see it.
type SessionInfo struct {
	ID, Target, Document, Type, Status, Reason string
	Started, Ended                             time.Time // Ended is zero while it runs
	Opens                                      int       // data channels opened, reconnects included
	Stats                                      channel.Stats
}

// Sessions lists the active sessions, the newest first, and then the ended
// ones.
func (l *Lab) Sessions() []SessionInfo {
	var out []SessionInfo
	for _, active := range []bool{true, false} {
		for _, s := range l.sessions.list(active) {
			s.mu.Lock()
			out = append(out, SessionInfo{
				ID: s.id, Target: s.node.id, Document: s.doc.name, Type: string(s.doc.SessionType),
				Status: s.status, Reason: s.reason, Started: s.started, Ended: s.ended, Opens: s.opens,
			})
			s.mu.Unlock()
			out[len(out)-1].Stats = s.agent.Stats()
		}
	}
	return out
}

// newSession makes a session that is not yet running.
func (l *Lab) newSession(n *node, d *document, properties json.RawMessage, reason string, now time.Time) *session {
	s := &session{
		id:         "ssmrun-lab-" + randomText(26),
		lab:        l,
		node:       n,
		doc:        d,
		properties: properties,
		reason:     reason,
		started:    now,
		token:      newToken(),
		status:     "Connected",
		number:     n.begin(),
		faults:     newSessionFaults(n.faults),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.idle = time.AfterFunc(idleTimeout, func() { s.end("Terminated", "the session was idle") })
	cfg := channel.AgentConfig{
		SessionID:    s.id,
		SessionType:  d.SessionType,
		AgentVersion: n.agent.Version,
		Handshake:    d.SessionType == channel.NonInteractiveCommands,
		Encryption:   l.encryption(n, d.SessionType),
		MaxPayload:   n.agent.MaxPayload + 3, // the UTF-8 decoder adds up to 3 held bytes
		Input:        s.input,
	}
	if d.SessionType == channel.Port {
		cfg.Handshake, cfg.Properties = true, properties
		cfg.Queue = portQueue
	}
	s.agent = channel.NewAgent(cfg)
	return s
}

func newToken() string { return base64.StdEncoding.EncodeToString(randomBytes(96)) }

// run serves the session until its process has ended or the session is to end.
// Until the agent has said goodbye, a client that lost its connection can
// resume.
func (s *session) run() {
	outcome, told := s.serve()
	if s.ctx.Err() != nil {
		s.agent.Terminate(told)
	} else {
		s.agent.Close(told)
	}
	s.mu.Lock()
	if s.status != "Terminated" {
		s.status = "Terminated"
		if outcome != "" {
			s.status, s.details = "Failed", outcome
		}
	}
	s.ended = time.Now()
	s.token = ""
	s.idle.Stop()
	s.mu.Unlock()
	s.lab.sessions.finish(s)
	s.cancel()
}

// serve runs the session's process by the rules of its kind. It returns why the
// session failed, or nothing, and what of that the service gives with
// channel_closed.
func (s *session) serve() (outcome, told string) {
	err := s.node.furnished()
	if err == nil && s.lab.encryption(s.node, s.doc.SessionType) != nil {
		err = s.agent.Ready(s.ctx) // nothing runs before the handshake
	}
	switch {
	case err != nil:
	case s.doc.SessionType == channel.StandardStream:
		err = s.serveTerminal(splitWords(s.node.shell()))
	case s.doc.SessionType == channel.InteractiveCommands:
		var p commandProperties
		if p, err = s.commands(); err == nil {
			err = s.serveTerminal([]string{"sh", "-c", p.Commands})
		}
	case s.doc.SessionType == channel.NonInteractiveCommands:
		var p commandProperties
		if p, err = s.commands(); err == nil {
			err = s.serveCommand(p)
		}
	case s.doc.SessionType == channel.Port:
		err = s.servePort()
	default:
		err = errors.New("session type " + string(s.doc.SessionType) + " is not supported")
	}
	if err != nil && s.ctx.Err() == nil {
		s.lab.log.Warn("lab session failed", "session", s.id, "node", s.node.name, "error", err)
		if errors.As(err, new(*tunnel.SilentError)) {
			return err.Error(), ""
		}
		return err.Error(), err.Error()
	}
	return "", ""
}

// end ends the session from outside.
func (s *session) end(status, details string) {
	s.mu.Lock()
	if s.ended.IsZero() {
		s.status, s.details = status, details
	}
	s.mu.Unlock()
	s.cancel()
}

// resume gives a new token for the data channel; the old one is void.
func (s *session) resume() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended.IsZero() || s.ctx.Err() != nil {
		return "", false
	}
	s.token = newToken()
	return s.token, true
}

// admit checks the token of an OpenDataChannel and uses it up.
func (s *session) admit(open channel.OpenDataChannel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" || subtle.ConstantTimeCompare([]byte(s.token), []byte(open.TokenValue)) != 1 {
		return errors.New("the token is not valid")
	}
	s.token = ""
	s.opens++
	return nil
}

// attach counts a connection in or out, for the idle timeout.
func (s *session) attach(delta int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attached += delta
	if !s.ended.IsZero() {
		return
	}
	if s.attached > 0 {
		s.idle.Stop()
		s.status = "Connected"
	} else {
		s.idle.Reset(idleTimeout)
		s.status = "Disconnected"
	}
}

// input gives the client's stream data to the process. Before it runs the agent
// does not acknowledge, so that the message comes again.
func (s *session) input(payloadType channel.PayloadType, data []byte) error {
	s.mu.Lock()
	k := s.keyboard
	s.mu.Unlock()
	if k == nil {
		return channel.ErrNotReady
	}
	return k(payloadType, data)
}

func (s *session) setKeyboard(k keyboard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyboard = k
}

// sleep waits for d or the end of the session, and reports whether d passed.
func (s *session) sleep(d time.Duration) bool {
	if d <= 0 {
		return s.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// commandProperties are the properties of the command documents, for a
// platform. Agents take the flags as a string or as a boolean.
type commandProperties struct {
	Commands              string
	SeparateOutputStream  any
	StdoutSeparatorPrefix string
	StderrSeparatorPrefix string
}

func (p commandProperties) separate() bool {
	switch v := p.SeparateOutputStream.(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true")
	}
	return false
}

func (s *session) commands() (commandProperties, error) {
	var byPlatform map[string]commandProperties
	if err := json.Unmarshal(s.properties, &byPlatform); err != nil {
		return commandProperties{}, err
	}
	platform := strings.ToLower(s.node.platform)
	return byPlatform[platform], nil
}

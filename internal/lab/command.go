package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// serveCommand runs a command without pty and input: the kind
// NonInteractiveCommands.
func (s *session) serveCommand(p commandProperties) error {
	keys := &commandKeys{s: s}
	s.setKeyboard(keys.input)
	if err := s.agent.Ready(s.ctx); err != nil {
		return err
	}
	argv, err := s.commandLine(p.Commands)
	if err != nil {
		// The agent sleeps twice on the way to this message.
		s.sleep(2 * s.node.agent.FirstOutputDelay)
		s.complain(err)
		return nil
	}
	if p.separate() {
		return s.serveSeparate(argv, p, keys)
	}
	return s.serveJoined(argv, keys)
}

// commandLine is what the agent executes for a command: its words, and no
// shell.
func (s *session) commandLine(command string) ([]string, error) {
	switch {
	case strings.TrimSpace(command) == "":
		return []string{"sh"}, nil
	case !s.node.agent.DirectExec:
		return []string{"sh", "-c", command}, nil
	}
	argv, err := splitShlex(command)
	if err != nil {
		return nil, fmt.Errorf("Failed to parse commands input: %w\n", err) //lint:ignore ST1005 the agent's text
	}
	return argv, nil
}

// complain sends an error text as the agent does: after a second, as stderr.
func (s *session) complain(err error) {
	if s.sleep(s.node.agent.FirstOutputDelay) {
		s.agent.Send(channel.PayloadStdErr, []byte(err.Error()))
	}
}

// serveSeparate sends stdout, stderr and the exit code apart and as they come.
func (s *session) serveSeparate(argv []string, props commandProperties, keys *commandKeys) error {
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer outRead.Close()
	defer outWrite.Close()
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer errRead.Close()
	defer errWrite.Close()
	if err := errors.Join(giveFile(outWrite, s.node.account), giveFile(errWrite, s.node.account)); err != nil {
		return err
	}
	p, err := s.spawnQuiet(argv, outWrite, errWrite)
	outWrite.Close()
	errWrite.Close()
	if err != nil {
		if s.ctx.Err() == nil && s.node.isOnline() { // else the node is gone, and nobody is left to say so
			s.agent.Exit(1)
			s.complain(err)
		}
		return nil
	}
	stop := context.AfterFunc(s.ctx, func() {
		s.kill(p)
		outRead.Close()
		errRead.Close()
	})
	defer stop()
	keys.run(p)

	// The agent waits for the command only when both pipes have ended: what
	// keeps one open keeps the session open.
	var pumps sync.WaitGroup
	pumps.Go(func() {
		st := &stream{s: s, payload: channel.PayloadOutput, prefix: props.StdoutSeparatorPrefix}
		st.copy(outRead)
	})
	pumps.Go(func() {
		st := &stream{s: s, payload: channel.PayloadStdErr, prefix: props.StderrSeparatorPrefix}
		st.copy(errRead)
	})
	pumps.Wait()
	select {
	case <-p.done:
	case <-s.ctx.Done():
	}
	if s.ctx.Err() != nil {
		return nil // what ended the session ended the command
	}
	code := p.exit.code
	if keys.wasInterrupted() {
		code = 1 // the agent's second wait for the same process fails
	}
	return s.agent.Exit(code)
}

// serveJoined keeps stdout and stderr in one file and sends it when the command
// has ended. No exit code is sent.
func (s *session) serveJoined(argv []string, keys *commandKeys) error {
	path := filepath.Join(s.node.dir, "output-"+randomText(12))
	out, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer out.Close()
	if err := giveFile(out, s.node.account); err != nil {
		return err
	}
	p, err := s.spawnQuiet(argv, out, out)
	if err != nil {
		s.complain(err)
		return nil
	}
	stop := context.AfterFunc(s.ctx, func() { s.kill(p) })
	defer stop()
	keys.run(p)
	select {
	case <-p.done:
	case <-s.ctx.Done():
		return nil
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	st := &stream{s: s, payload: channel.PayloadOutput, pacing: s.node.agent.Pacing}
	if err := st.copy(in); err != nil && s.ctx.Err() == nil {
		return err
	}
	return nil
}

// commandKeys is input for a command without stdin: it is only searched for
// Ctrl-C and Ctrl-\.
type commandKeys struct {
	s *session

	mu          sync.Mutex
	process     *process // guarded by mu; nil before it runs
	interrupted bool     // guarded by mu
}

func (k *commandKeys) run(p *process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.process = p
}

func (k *commandKeys) wasInterrupted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.interrupted
}

// input passes the first control character on as a signal to the direct child
// and then waits for that child to end, as the agent does in its receive loop.
func (k *commandKeys) input(payloadType channel.PayloadType, data []byte) error {
	if payloadType != channel.PayloadOutput {
		return nil
	}
	i := bytes.IndexAny(data, "\x03\x1c")
	if i < 0 {
		return nil
	}
	sig := syscall.SIGINT
	if data[i] == 0x1c {
		sig = syscall.SIGQUIT
	}
	k.mu.Lock()
	p := k.process
	k.interrupted = k.interrupted || p != nil
	k.mu.Unlock()
	if p == nil {
		return channel.ErrNotReady
	}
	k.s.lab.nursery.signal(p, sig)
	select {
	case <-p.done:
	case <-k.s.ctx.Done():
	}
	return nil
}

// kill ends a session's process, by the habit: the direct child alone, or also
// what it started.
func (s *session) kill(p *process) {
	if s.node.agent.KillDirectChild {
		s.lab.nursery.signal(p, syscall.SIGKILL)
	} else {
		s.lab.nursery.killTree(p)
	}
}

//go:build unix

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
)

// nursery starts the processes of a lab and knows all of them.
//
// They are forked by one thread of its own that gave up what children shall not
// have (see confineThread): what a fork inherits is the calling thread's.
type nursery struct {
	lab    *Lab
	work   *sync.WaitGroup
	orders chan func()
	quit   chan struct{}
	census *census

	mu       sync.Mutex
	children map[int]*process // guarded by mu: started and not yet reaped
	closed   bool             // guarded by mu
}

var errNurseryClosed = errors.New("the lab is closed")

func newNursery(l *Lab) (*nursery, error) {
	heedSignals()
	n := &nursery{
		lab:      l,
		work:     &l.work,
		orders:   make(chan func()),
		quit:     make(chan struct{}),
		children: make(map[int]*process),
	}
	ready := make(chan error, 1)
	n.work.Go(func() { n.serveOrders(ready) })
	if err := <-ready; err != nil {
		close(n.quit)
		return nil, fmt.Errorf("give up privileges for the lab's processes: %w", err)
	}
	n.census = openCensus(n)
	return n, nil
}

// heedSignals lets the nodes' processes have the signals that the lab ignores, as
// nohup and the & of a script have it: what is ignored is inherited, and then a
// terminated session's processes would stay and interrupts do nothing. What this
// process catches it still does not heed.
func heedSignals() {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// serveOrders runs orders on a thread of its own until quit is closed. The
// thread ends with this function, because it is never unlocked.
func (n *nursery) serveOrders(ready chan<- error) {
	runtime.LockOSThread()
	if onMainThread() {
		// The main thread cannot end, and what the process itself is like is read
		// from it. While this goroutine holds it, another one gets another.
		again := make(chan error, 1)
		n.work.Go(func() { n.serveOrders(again) })
		err := <-again
		runtime.UnlockOSThread()
		ready <- err
		return
	}
	err := confineThread()
	ready <- err
	if err != nil {
		return
	}
	for {
		select {
		case order := <-n.orders:
			order()
		case <-n.quit:
			return
		}
	}
}

// start forks and executes l. The process gets a session of its own, so that
// ssmrun's terminal is not its.
func (n *nursery) start(l launch) (*process, error) {
	attr := &syscall.ProcAttr{
		Dir: l.dir,
		Env: l.env,
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: l.terminal},
	}
	for _, f := range l.files {
		attr.Files = append(attr.Files, f.Fd())
	}
	if a := l.node.account; a.switches {
		attr.Sys.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	var p *process
	var err error
	done := make(chan struct{})
	order := func() {
		defer close(done)
		p, err = n.fork(l, attr)
	}
	select {
	case n.orders <- order:
		<-done
		return p, err
	case <-n.quit:
		return nil, errNurseryClosed
	}
}

// fork runs on the nursery's thread.
func (n *nursery) fork(l launch, attr *syscall.ProcAttr) (*process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, errNurseryClosed
	}
	pid, wait, err := forkExec(l.path, l.argv, attr)
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, node: l.node, done: make(chan struct{})}
	n.children[pid] = p
	n.work.Go(func() {
		wait(func() (reaped bool) {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.reap(p)
		})
		close(p.done)
	})
	return p, nil
}

// reap takes the exit status of a child if it has ended. It runs under mu, so
// that a pid in children is never one that was given to somebody else.
func (n *nursery) reap(p *process) bool {
	var status syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(p.pid, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			p.exit = exit{code: -1}
		case pid == 0:
			return false
		case status.Signaled():
			p.exit = exit{code: -1, signal: status.Signal()}
		default:
			p.exit = exit{code: status.ExitStatus()}
		}
		delete(n.children, p.pid)
		return true
	}
}

// signal sends sig to the direct child alone.
func (n *nursery) signal(p *process, sig syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.children[p.pid] == p {
		syscall.Kill(p.pid, sig)
	}
}

// close kills everything and ends the nursery's goroutines.
func (n *nursery) close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	left := n.killAll()
	n.census.close()
	close(n.quit)
	if left > 0 {
		return fmt.Errorf("%d processes of the lab's nodes did not end", left)
	}
	return nil
}

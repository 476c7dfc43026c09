package lab

import (
	"errors"
	"syscall"
)

var errUnsupported = errors.New("the lab's nodes are POSIX shells: it runs on Linux and macOS, not on Windows")

// nursery is only a stand-in here: it cannot be made, so that Start fails.
type nursery struct{}

func newNursery(*Lab) (*nursery, error) { return nil, errUnsupported }

func (n *nursery) start(launch) (*process, error)  { return nil, errUnsupported }
func (n *nursery) signal(*process, syscall.Signal) {}
func (n *nursery) killTree(*process)               {}
func (n *nursery) killNode(*node)                  {}
func (n *nursery) count() int                      { return 0 }
func (n *nursery) close() error                    { return nil }

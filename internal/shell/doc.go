// Package shell runs many commands over one remote POSIX shell session, each
// with its exact output, exit code and environment.
package shell

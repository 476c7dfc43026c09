package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// wsaAddressInUse is WSAEADDRINUSE, which on Windows is another number than
// syscall's EADDRINUSE. No other system has it.
const wsaAddressInUse = syscall.Errno(10048)

// PortInUseError says that a program on this machine has the local port.
type PortInUseError struct{ Port int }

func (e *PortInUseError) Error() string {
	return fmt.Sprintf("local port %d is in use on this machine: choose another, or 0 for any that is free", e.Port)
}

// Listen opens the local end of a tunnel, on 127.0.0.1 only: port 0 takes one
// that is free, and LocalPort tells which. Do this before the session is
// started, so that a port in use costs no session.
func Listen(ctx context.Context, port int) (net.Listener, error) {
	if port < 0 || port > 65535 {
		return nil, fmt.Errorf("local port %d: a port is between 0 and 65535", port)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaAddressInUse):
		return nil, &PortInUseError{port}
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("local port %d: ports below 1024 need privileges on this machine; choose another: %w", port, err)
	case err != nil:
		return nil, fmt.Errorf("listen on local port %d: %w", port, err)
	}
	return l, nil
}

// LocalPort returns the port of a listener, 0 if it has none.
func LocalPort(l net.Listener) int {
	if addr, ok := l.Addr().(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}

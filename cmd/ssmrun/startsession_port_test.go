package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var portBytes = flag.Int("port-bytes", 20_000, "bytes that each of 50 connections carries both ways through a forwarded port")

// echo serves connections that get back what they send.
func echo(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// bounce sends bytes to an echo and wants them back.
func bounce(t *testing.T, address string, sent []byte) {
	c, err := net.Dial("tcp4", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	go func() { _, _ = c.Write(sent) }() // ends with c
	got := make([]byte, len(sent))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back (%v), equal: %v", n, len(sent), err, bytes.Equal(got, sent))
	}
}

// forwarded starts a session that forwards a free local port to another.
func forwarded(t *testing.T, dir string, served *servedLab, port int) (cmd *exec.Cmd, local string) {
	t.Helper()
	return forwardedTo(t, startSessionCommand(dir, served, "--document-name", "AWS-StartPortForwardingSession",
		"--parameters", fmt.Sprintf("portNumber=%d,localPortNumber=0", port)), &lines{})
}

// forwardedTo starts a session that forwards a port and reads its stderr up to
// where it says which.
func forwardedTo(t *testing.T, cmd *exec.Cmd, stderr *lines) (_ *exec.Cmd, local string) {
	t.Helper()
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr.Scanner = bufio.NewScanner(pipe)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	for stderr.Scan() && stderr.Text() != "Waiting for connections..." {
		_, _ = fmt.Sscanf(stderr.Text(), "Port %s opened", &local)
	}
	if local == "" {
		t.Fatal("no port was opened")
	}
	return cmd, "127.0.0.1:" + local
}

// lines are those of a program's stderr.
type lines struct{ *bufio.Scanner }

// rest returns those that are left, when the program has ended.
func (l *lines) rest() (all []string) {
	for l.Scan() {
		all = append(all, l.Text())
	}
	return all
}

// TestManyConnectionsThroughAPort opens connections at once; each gets its own
// bytes back. Ctrl-C closes the port, and that is a success.
func TestManyConnectionsThroughAPort(t *testing.T) {
	dir, served := attendedLab(t)
	cmd, address := forwarded(t, dir, served, echo(t))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { bounce(t, address, bytesOf(uint64(i), *portBytes)) })
	}
	wg.Wait()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	served.noSessionLeft(t)
	if c, err := net.Dial("tcp4", address); err == nil {
		c.Close()
		t.Error("the port is open still")
	}
}

// TestPortInUseCostsNoSession: the local port is looked at before anything is
// asked of AWS.
func TestPortInUseCostsNoSession(t *testing.T) {
	taken := echo(t)
	got := runCommand(t, t.TempDir(), "start-session", "--target", "i-00000000000000001", "--endpoint-url", "http://127.0.0.1:1",
		"--document-name", "AWS-StartPortForwardingSession", "--parameters", fmt.Sprintf("portNumber=80,localPortNumber=%d", taken))
	if got.code != 255 || !strings.Contains(got.stderr, "in use") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
}

// TestStdioCarriesBytesForSSH is what a ProxyCommand does: every byte value
// both ways, and nothing else on stdout.
func TestStdioCarriesBytesForSSH(t *testing.T) {
	dir, served := attendedLab(t)
	cmd := startSessionCommand(dir, served, "--document-name", "AWS-StartSSHSession", "--parameters", fmt.Sprintf("portNumber=%d", echo(t)))
	sent := bytesOf(1, 300_000)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(sent), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	if !bytes.Equal(stdout.Bytes(), sent) {
		t.Errorf("%d bytes came back, want the %d that were sent", stdout.Len(), len(sent))
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr has %q", stderr.String())
	}
	served.noSessionLeft(t)
}

// bytesOf returns bytes that look like nothing, the same for the same seed.
func bytesOf(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// TestCutsLoseNoByteOfAConnection: the session's websocket is cut again and
// again, and the connections through it neither end nor lose anything.
func TestCutsLoseNoByteOfAConnection(t *testing.T) {
	dir, served := attendedLabWith(t, "agent {\n  pacing = \"0s\"\n}\nfaults {\n  disconnect = \"every 200 messages\"\n}\n")
	var stderr lines
	cmd, address := forwardedTo(t, startSessionCommand(dir, served, "--document-name", "AWS-StartPortForwardingSession",
		"--parameters", fmt.Sprintf("portNumber=%d", echo(t))), &stderr)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { bounce(t, address, bytesOf(uint64(i), 100_000)) })
	}
	wg.Wait()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	said := stderr.rest()
	_ = cmd.Wait()
	if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, "the connection was lost, reconnecting") }) {
		t.Errorf("no cut was told: the test would show nothing\n%q", said)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	served.noSessionLeft(t)
}

// TestPortOfARemoteHost: the target connects to a host that it looks up itself.
func TestPortOfARemoteHost(t *testing.T) {
	dir, served := attendedLab(t)
	cmd, address := forwardedTo(t, startSessionCommand(dir, served, "--document-name", "AWS-StartPortForwardingSessionToRemoteHost",
		"--parameters", fmt.Sprintf("host=localhost,portNumber=%d", echo(t))), &lines{})
	bounce(t, address, bytesOf(3, *portBytes))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	served.noSessionLeft(t)
}

// TestRefusedConnectionIsOneLine: the port stays open for the next connection,
// which the program here sees as reset.
func TestRefusedConnectionIsOneLine(t *testing.T) {
	dir, served := attendedLab(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	var stderr lines
	cmd, address := forwardedTo(t, startSessionCommand(dir, served, "--document-name", "AWS-StartPortForwardingSession",
		"--parameters", fmt.Sprintf("portNumber=%d", port)), &stderr)
	for range 2 {
		c, err := net.Dial("tcp4", address)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the connection ended with %v, want a reset", err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	got := stderr.rest()
	_ = cmd.Wait()
	line := fmt.Sprintf("ssmrun: the target could not connect to its port \"%d\": is something listening there?", port)
	if len(got) != 2 || got[0] != line || got[1] != line {
		t.Errorf("stderr goes on with %q, want %q twice", got, line)
	}
}

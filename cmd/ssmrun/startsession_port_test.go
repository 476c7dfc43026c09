package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

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

// forwarded starts a session that forwards a free local port to another.
func forwarded(t *testing.T, dir string, served *servedLab, port int) (cmd *exec.Cmd, local string) {
	t.Helper()
	cmd = startSessionCommand(dir, served, "--document-name", "AWS-StartPortForwardingSession",
		"--parameters", fmt.Sprintf("portNumber=%d,localPortNumber=0", port))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "Port %s opened", &local); err == nil {
			break
		}
	}
	if local == "" {
		t.Fatal("no port was opened")
	}
	return cmd, "127.0.0.1:" + local
}

// TestManyConnectionsThroughAPort opens connections at once; each gets its own
// bytes back. Ctrl-C closes the port, and that is a success.
func TestManyConnectionsThroughAPort(t *testing.T) {
	dir, served := attendedLab(t)
	cmd, address := forwarded(t, dir, served, echo(t))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			sent := bytesOf(uint64(i), 20_000)
			c, err := net.Dial("tcp4", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			go func() { _, _ = c.Write(sent) }() // ends with c
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("connection %d: %v, equal: %v", i, err, bytes.Equal(got, sent))
			}
		})
	}
	wg.Wait()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
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

//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var sshBytes = flag.Int("ssh-bytes", 1<<20, "size of the files that scp and sftp carry through start-session")

// sshNode is a lab with a node, an sshd that stands for the node's, and an ssh
// that comes to it by a ProxyCommand.
type sshNode struct {
	t      *testing.T
	dir    string
	served *servedLab
	sshd   *exec.Cmd
	port   int
}

// newSSHNode skips the test where OpenSSH is not installed. The lab's agents
// are as fast as they can be.
func newSSHNode(t *testing.T, agent string) *sshNode {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	server, err := exec.LookPath("sshd")
	if err != nil {
		if server, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			t.Skip("no sshd: install openssh-server")
		}
	}
	for _, client := range []string{"ssh", "scp", "sftp", "ssh-keygen"} {
		if _, err := exec.LookPath(client); err != nil {
			t.Skipf("no %s: install openssh-client", client)
		}
	}
	dir, served := attendedLabWith(t, agent)
	n := &sshNode{t: t, dir: dir, served: served}
	n.keys()
	n.serve(server)
	n.configure()
	return n
}

// keys makes the host's key and the user's.
func (n *sshNode) keys() {
	n.t.Helper()
	for _, name := range []string{"host", "user"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(n.dir, name)).CombinedOutput()
		if err != nil {
			n.t.Fatalf("%v\n%s", err, out)
		}
	}
}

// serve runs sshd for this user on a free port of the loopback interface.
func (n *sshNode) serve(program string) {
	n.t.Helper()
	if os.Geteuid() == 0 {
		// A root's sshd wants this directory, which its service makes at boot.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			n.t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	config := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %[2]s/host\nAuthorizedKeysFile %[2]s/user.pub\nPidFile none\n"+
		"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nSubsystem sftp internal-sftp\n", n.port, n.dir)
	write(n.t, filepath.Join(n.dir, "sshd_config"), config)
	n.sshd = exec.Command(program, "-D", "-e", "-f", filepath.Join(n.dir, "sshd_config"))
	var log bytes.Buffer
	n.sshd.Stderr = &log
	if err := n.sshd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		n.stop()
		if n.t.Failed() {
			n.t.Logf("sshd says:\n%s", log.String())
		}
	})
	waitFor(n.t, "sshd to listen", func() bool {
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", n.port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// stop ends sshd and the logins that it serves.
func (n *sshNode) stop() {
	if n.sshd.ProcessState == nil {
		for _, pid := range descendants(n.sshd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = n.sshd.Process.Kill()
		_ = n.sshd.Wait()
	}
}

// configure writes what docs/start-session.md tells to write, and what keeps
// this user's own files out.
func (n *sshNode) configure() {
	n.t.Helper()
	key, err := os.ReadFile(filepath.Join(n.dir, "host.pub"))
	if err != nil {
		n.t.Fatal(err)
	}
	write(n.t, filepath.Join(n.dir, "known_hosts"), fmt.Sprintf("[i-00000000000000001]:%d %s", n.port, key))
	me, err := user.Current()
	if err != nil {
		n.t.Fatal(err)
	}
	write(n.t, filepath.Join(n.dir, "ssh_config"), fmt.Sprintf(`
Host i-* mi-*
    ProxyCommand sh -c 'echo $$ >>pids; exec ssmrun start-session --target %%h --reason %s --document-name AWS-StartSSHSession --parameters portNumber=%%p'
Host *
    Port %d
    User %s
    IdentityFile %[4]s/user
    IdentitiesOnly yes
    UserKnownHostsFile %[4]s/known_hosts
    StrictHostKeyChecking yes
    BatchMode yes
`, attendedReason, n.port, me.Username, n.dir))
}

// command is one of OpenSSH's programs with the node's configuration.
func (n *sshNode) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, append([]string{"-F", filepath.Join(n.dir, "ssh_config")}, args...)...)
	cmd.Dir = n.dir
	cmd.Env = append(os.Environ(), n.served.environ...)
	return cmd
}

// run gives a program its input and returns its output and exit code. Nothing
// of ours may be on its stderr.
func (n *sshNode) run(in io.Reader, program string, args ...string) (stdout string, code int) {
	n.t.Helper()
	cmd := n.command(program, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		n.t.Fatal(err)
	}
	if errs.Len() > 0 {
		n.t.Logf("%s says: %s", program, errs.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// left waits for the ProxyCommands, which ssh does not, and checks that their
// sessions have ended.
func (n *sshNode) left() {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, "pids"))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			n.t.Fatal(err)
		}
		waitFor(n.t, "a ProxyCommand to end", func() bool { return syscall.Kill(pid, 0) != nil })
	}
	n.served.noSessionLeft(n.t)
}

const sshHost = "i-00000000000000001"

const quickAgent = "agent {\n  first_output_delay = \"10ms\"\n  pacing = \"0s\"\n}\n"

// TestSSHThroughAProxyCommand is ssh with a real sshd behind the node: streams,
// input, exit codes, files, and a local port that ssh itself forwards.
func TestSSHThroughAProxyCommand(t *testing.T) {
	n := newSSHNode(t, quickAgent)

	out, code := n.run(strings.NewReader("in\n"), "ssh", sshHost, "cat; echo out; exit 7")
	if out != "in\nout\n" || code != 7 {
		t.Errorf("ssh: %q and exit code %d", out, code)
	}

	sent := bytesOf(7, *sshBytes)
	write(t, filepath.Join(n.dir, "sent"), string(sent))
	if _, code := n.run(nil, "scp", "sent", sshHost+":"+n.dir+"/up"); code != 0 {
		t.Errorf("scp to the node: exit code %d", code)
	}
	if _, code := n.run(nil, "scp", sshHost+":"+n.dir+"/up", "down"); code != 0 {
		t.Errorf("scp from the node: exit code %d", code)
	}
	if _, code := n.run(strings.NewReader("put sent up2\nget up2 down2\n"), "sftp", "-b", "-", sshHost+":"+n.dir); code != 0 {
		t.Errorf("sftp: exit code %d", code)
	}
	n.left()
	for _, name := range []string{"up", "down", "up2", "down2"} {
		got, err := os.ReadFile(filepath.Join(n.dir, name))
		if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
			t.Errorf("%s has %d bytes (%v), not the %d that were sent", name, len(got), err, len(sent))
		}
	}
}

// TestSSHForwardsThroughAProxyCommand: ssh's own -L, with many connections over
// the one stream.
func TestSSHForwardsThroughAProxyCommand(t *testing.T) {
	n := newSSHNode(t, quickAgent)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	local := l.Addr().String()
	l.Close()
	cmd := n.command("ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-L", fmt.Sprintf("%s:127.0.0.1:%d", local, echo(t)), sshHost)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		n.left()
	}()
	waitFor(t, "ssh to listen", func() bool {
		c, err := net.Dial("tcp4", local)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { bounce(t, local, bytesOf(uint64(i), 50_000)) })
	}
	wg.Wait()
}

// TestSSHControlMaster: one session serves several logins, and ends with the
// master.
func TestSSHControlMaster(t *testing.T) {
	n := newSSHNode(t, quickAgent)
	socket := filepath.Join(n.dir, "m")
	master := n.command("ssh", "-M", "-N", "-S", socket, sshHost)
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the master", func() bool {
		return n.command("ssh", "-S", socket, "-O", "check", sshHost).Run() == nil
	})
	for i := range 3 {
		out, code := n.run(nil, "ssh", "-S", socket, sshHost, fmt.Sprintf("echo $((6 * %d)); exit %d", i, i))
		if out != fmt.Sprintln(6*i) || code != i {
			t.Errorf("login %d: %q and exit code %d", i, out, code)
		}
	}
	if err := n.command("ssh", "-S", socket, "-O", "exit", sshHost).Run(); err != nil {
		t.Errorf("end the master: %v", err)
	}
	late := time.AfterFunc(patience, func() { _ = master.Process.Kill() })
	defer late.Stop()
	_ = master.Wait() // OpenSSH's code for that is 255
	n.left()
}

// TestSSHServerThatGoesEndsTheLogin: ssh is not left hanging when the other end
// is gone, nor when it never was.
func TestSSHServerThatGoesEndsTheLogin(t *testing.T) {
	n := newSSHNode(t, quickAgent)
	cmd := n.command("ssh", sshHost, "echo ready; sleep 300")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	n.stop()
	defer n.left()
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 255 {
		t.Errorf("ssh ended with %d, want 255", code)
	}
	var errs bytes.Buffer
	cmd = n.command("ssh", sshHost, "true")
	cmd.Stderr = &errs
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 255 || !strings.Contains(errs.String(), "is something listening on its port") {
		t.Errorf("without sshd: exit code %d\n%s", code, errs.String())
	}
}

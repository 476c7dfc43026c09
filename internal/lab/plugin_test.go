//go:build unix

package lab

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// pluginVariable names AWS's session-manager-plugin where it is not on PATH.
const pluginVariable = "SESSION_MANAGER_PLUGIN"

// realPlugin finds AWS's own clients, or skips: they are independent peers, not
// a requirement.
func realPlugin(t testing.TB) string {
	t.Helper()
	plugin := os.Getenv(pluginVariable)
	if plugin == "" {
		plugin, _ = exec.LookPath("session-manager-plugin")
	}
	if plugin == "" {
		t.Skip("AWS's session-manager-plugin is neither on PATH nor named by " + pluginVariable)
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	if testing.Short() {
		t.Skip("the AWS CLI takes about a second of CPU a call")
	}
	return plugin
}

// attended is `aws ssm start-session` with AWS's plugin.
type attended struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	stdout *record // and stderr
	read   sync.WaitGroup
	term   *os.File // nil without one
}

// attend starts it; terminal says whether at a terminal, of 33 lines and 111 columns.
func (l *Lab) attend(t testing.TB, terminal bool, args ...string) *attended {
	t.Helper()
	home := t.TempDir()
	if err := os.Symlink(realPlugin(t), filepath.Join(home, "session-manager-plugin")); err != nil {
		t.Fatal(err)
	}
	a := &attended{t: t, stdout: newRecord()}
	a.cmd = exec.Command("aws", append([]string{"ssm", "start-session", "--target", l.nodes[0].id}, args...)...)
	a.cmd.Env = append(os.Environ(), l.Environ()...)
	a.cmd.Env = append(a.cmd.Env, "HOME="+home, "PATH="+home+":"+os.Getenv("PATH"),
		"AWS_CONFIG_FILE="+filepath.Join(home, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, "credentials"))
	a.cmd.Env = append(a.cmd.Env, l.outside(t, home)...)
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out io.Reader
	if terminal {
		far, err := pty.StartWithAttrs(a.cmd, &pty.Winsize{Rows: 33, Cols: 111}, &syscall.SysProcAttr{Setsid: true, Setctty: true})
		if err != nil {
			t.Fatal(err)
		}
		a.in, a.term, out = far, far, far
	} else {
		near, far, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		a.cmd.Stdout, a.cmd.Stderr = far, far
		if a.in, err = a.cmd.StdinPipe(); err == nil {
			err = a.cmd.Start()
		}
		far.Close()
		if err != nil {
			t.Fatal(err)
		}
		out = near
		t.Cleanup(func() { near.Close() })
	}
	a.read.Go(func() { io.Copy(a.stdout, out) })
	t.Cleanup(func() {
		if a.cmd.ProcessState == nil {
			a.signal(syscall.SIGKILL)
			a.wait()
		}
	})
	return a
}

// signal reaches the CLI and the plugin.
func (a *attended) signal(sig syscall.Signal) { syscall.Kill(-a.cmd.Process.Pid, sig) }

func (a *attended) write(text string) {
	a.t.Helper()
	if _, err := io.WriteString(a.in, text); err != nil {
		a.t.Fatal(err)
	}
}

// expect waits until the output holds text.
func (a *attended) expect(text string) {
	a.t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(a.stdout.String(), text) {
		select {
		case <-a.stdout.changed:
		case <-deadline:
			a.t.Fatalf("output has no %q: %q", text, a.stdout)
		}
	}
}

// wait waits for the end and returns what was written between the plugin's
// first words and its last.
func (a *attended) wait() string {
	a.t.Helper()
	overdue := time.AfterFunc(patience, func() { a.signal(syscall.SIGKILL) })
	defer overdue.Stop()
	if err := a.cmd.Wait(); err != nil {
		a.t.Errorf("the AWS CLI: %v: %q", err, a.stdout)
	}
	a.in.Close()
	a.read.Wait()
	text := strings.ReplaceAll(a.stdout.String(), "\r", "")
	_, text, _ = strings.Cut(text, "Starting session with SessionId: ")
	_, text, _ = strings.Cut(text, "\n")
	body, _, ok := strings.Cut(text, "\n\nExiting session with sessionId: ")
	if !ok {
		a.t.Errorf("the session's end was not told: %q", a.stdout)
	}
	return body
}

// nonInteractive are the arguments for a command without a terminal.
func nonInteractive(script string, separate bool) []string {
	return []string{"--document-name", "AWS-StartNonInteractiveCommand", "--parameters",
		fmt.Sprintf(`{"command":["sh -c '%s'"],"separateOutputStream":["%v"]}`, script, separate)}
}

func counted(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i+1)
	}
	return b.String()
}

func TestAWSPluginAttendsShellsAndCommands(t *testing.T) {
	realPlugin(t)
	for name, key := range map[string]*hclspec.KMS{
		"in the clear": nil,
		"encrypted":    {KeyID: "alias/ssm", State: "Enabled"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)}, KMS: key}
			l := startLab(t, spec, Options{TLS: true})
			notice := ""
			if key != nil {
				notice = "This session is encrypted using AWS KMS.\n"
			}

			shell := l.attend(t, true)
			shell.expect("$ ")
			shell.write("until [ \"$(stty size)\" = '33 111' ]; do sleep 0.1; done; echo sized$((40+2)); exit\r")
			shell.expect("sized42")
			shell.wait()

			asking := l.attend(t, true, "--document-name", "AWS-StartInteractiveCommand",
				"--parameters", `{"command":["printf 'name? '; read name; echo got $name"]}`)
			asking.expect("name? ")
			asking.write("me\r")
			// The plugin makes the terminal raw after the first output: the answer may be echoed twice.
			if got := asking.wait(); !strings.HasPrefix(got, notice+"name? me\n") || !strings.HasSuffix(got, "me\ngot me\n") {
				t.Errorf("interactive command: got %q", got)
			}

			joined := l.attend(t, false, nonInteractive("seq 1 40000; echo err >&2", false)...)
			if got, want := joined.wait(), notice+counted(40000)+"err\n"; got != want {
				t.Errorf("joined output: %d bytes, want %d; it ends with %q", len(got), len(want), tail(joined.stdout))
			}
			// The plugin writes all streams, the exit code too, to stdout.
			separate := l.attend(t, false, nonInteractive("seq 1 40000; exec >&-; sleep 0.3; echo err >&2; exit 3", true)...)
			if got, want := separate.wait(), notice+counted(40000)+"err\nEXIT_CODE: 3"; got != want {
				t.Errorf("separate output: %d bytes, want %d; it ends with %q", len(got), len(want), tail(separate.stdout))
			}
		})
	}
}

// TestAWSPluginResumes: the connection is slow and is cut again and again. What the
// plugin has it does not acknowledge again, and gets the rest all the same. It
// writes a message twice that it had no connection left to acknowledge on
// (1.2.677.0, HandleOutputMessage), so that only nothing may be missing.
func TestAWSPluginResumes(t *testing.T) {
	realPlugin(t)
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)},
		Faults: hclspec.Faults{Latency: 10 * time.Millisecond, Disconnect: hclspec.Trigger{Repeats: true, Messages: 150}, Seed: 1}}, Options{})
	// The agent gives what is unacknowledged at the end two seconds: so the end comes late.
	a := l.attend(t, false, nonInteractive("seq 1 20000; exec >&-; sleep 20", true)...)
	got := a.wait()
	want := strings.SplitAfter(counted(20000)+"EXIT_CODE: 0", "\n")
	for _, line := range strings.SplitAfter(got, "\n") {
		if len(want) > 0 && line == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("of %d bytes that came, %q is missing; they end with %q", len(got), want[0], tail(a.stdout))
	}
	if opens := l.Sessions()[0].Opens; opens < 2 {
		t.Errorf("the data channel was opened %d times, want cuts", opens)
	}
}

func TestAWSPluginForwardsPorts(t *testing.T) {
	realPlugin(t)
	port := target(t, echo) // it ends after the lab, which the plugin may leave with an open session
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)}}, Options{TLS: true})
	for _, parameters := range []string{
		`{"portNumber":["%s"],"localPortNumber":["%s"]}`,
		`{"portNumber":["%s"],"localPortNumber":["%s"],"host":["127.0.0.1"]}`,
	} {
		document := "AWS-StartPortForwardingSession"
		if strings.Contains(parameters, "host") {
			document += "ToRemoteHost"
		}
		local := unusedPort(t)
		a := l.attend(t, false, "--document-name", document, "--parameters", fmt.Sprintf(parameters, port, local))
		a.expect("Waiting for connections")
		var work sync.WaitGroup
		for i := range 20 {
			work.Go(func() {
				conn, err := net.Dial("tcp", "localhost:"+local)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				if err := exchange(conn.(*net.TCPConn), noise(uint64(i), 20_000)); err != nil {
					t.Errorf("%s: connection %d: %v", document, i, err)
				}
			})
		}
		work.Wait()
		a.signal(syscall.SIGINT)
		a.wait()
		eventually(t, "the session ended by the flag", func() bool { return len(l.sessions.list(true)) == 0 })
	}
}

// TestAWSPluginIsAProxyCommand: what ssh would send comes back as it was. The
// plugin prints its first words to stdout, before the bytes.
func TestAWSPluginIsAProxyCommand(t *testing.T) {
	realPlugin(t)
	port := target(t, echo) // it ends after the lab, which the plugin may leave with an open session
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)}}, Options{TLS: true})
	a := l.attend(t, false, "--document-name", "AWS-StartSSHSession",
		"--parameters", fmt.Sprintf(`{"portNumber":["%s"]}`, port))
	sent := noise(5, 300_000)
	a.write(string(sent) + "the end")
	a.expect("the end")
	_, got, _ := strings.Cut(a.stdout.String(), "Starting session with SessionId: ")
	_, got, _ = strings.Cut(got, "\n")
	if !bytes.Equal([]byte(got), append(sent, "the end"...)) {
		t.Errorf("%d bytes came back, want %d as they were sent", len(got), len(sent)+len("the end"))
	}
	a.in.Close()
	a.cmd.Wait()
	a.read.Wait()
}

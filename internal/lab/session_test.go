package lab

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// client is the client's end of a session, with what it received.
type client struct {
	*channel.Session
	t              testing.TB
	stdout, stderr *record
}

// record keeps what a session wrote and lets a test wait for a text in it.
type record struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newRecord() *record { return &record{changed: make(chan struct{}, 1)} }

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// open starts a session and connects to it.
func (l *Lab) open(t testing.TB, input object, change ...func(*channel.Config)) *client {
	t.Helper()
	return l.connect(t, l.ssm(t, "StartSession", input), change...)
}

func (l *Lab) connect(t testing.TB, started object, change ...func(*channel.Config)) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := &client{t: t, stdout: newRecord(), stderr: newRecord()}
	id := started["SessionId"].(string)
	var err error
	cfg := channel.Config{
		SessionID: id,
		Token:     started["TokenValue"].(string),
		Stdout:    c.stdout,
		Stderr:    c.stderr,
		Dial: func(ctx context.Context) (channel.Transport, error) {
			return channel.DialWebsocket(ctx, started["StreamUrl"].(string), channel.WebsocketOptions{})
		},
		Resume: func(context.Context) (string, error) {
			status, answer := l.try(t, "ResumeSession", object{"SessionId": id})
			if status != 200 {
				return "", channel.ErrSessionOver
			}
			return answer["TokenValue"].(string), nil
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	c.Session, err = channel.Connect(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// wait waits for the end of the session and returns its exit code, or -100 when
// none came.
func (c *client) wait() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := c.Wait(ctx)
	var exit *channel.ExitError
	var missing *channel.ExitMissingError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &missing) && ctx.Err() == nil:
		if missing.Gap || missing.Cause != nil {
			c.t.Errorf("the session ended badly: %v", err)
		}
		return -100
	}
	c.t.Fatalf("wait: %v\nstdout so far: %q", err, c.stdout)
	return -1
}

// patience bounds the wait for something that comes much sooner on a machine
// that is not busy.
const patience = time.Minute

// expect waits until the output holds text.
func (c *client) expect(text string) {
	c.t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(c.stdout.String(), text) {
		select {
		case <-c.stdout.changed:
		case <-c.Done():
			if strings.Contains(c.stdout.String(), text) {
				return
			}
			c.t.Fatalf("the session ended; output has no %q: ...%q", text, tail(c.stdout))
		case <-deadline:
			c.t.Fatalf("output has no %q: ...%q", text, tail(c.stdout))
		}
	}
}

// tail is the end of what was received, for messages.
func tail(r *record) string {
	s := r.String()
	return s[max(0, len(s)-300):]
}

func (c *client) typeLine(line string) {
	c.t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		c.t.Fatal(err)
	}
}

// run runs one command line by sh on a node, streams apart.
func (l *Lab) run(t testing.TB, n *node, script string) (code int, stdout, stderr string) {
	t.Helper()
	c := l.open(t, runInput(n, script))
	code = c.wait()
	return code, c.stdout.String(), c.stderr.String()
}

func runInput(n *node, script string) object {
	command := "sh -c '" + strings.ReplaceAll(script, "'", `'\''`) + "'"
	return object{"Target": n.id, "DocumentName": "AWS-StartNonInteractiveCommand",
		"Parameters": object{"command": []string{command}, "separateOutputStream": []string{"true"}}}
}

// oneNode starts a lab of one quick node.
func oneNode(t testing.TB, edit func(*hclspec.Lab)) (*Lab, *node) {
	t.Helper()
	spec := &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)}}
	if edit != nil {
		edit(spec)
	}
	l := startLab(t, spec, Options{})
	return l, l.nodes[0]
}

func TestSeparateOutputHasStreamsAndExitCode(t *testing.T) {
	l, n := oneNode(t, nil)
	tests := []struct {
		script         string
		code           int
		stdout, stderr string
	}{
		{"echo out; echo err >&2; exit 3", 3, "out\n", "err\n"},
		{"true", 0, "", ""},
		{"printf no-newline; exit 7", 7, "no-newline", ""},
		{"kill -9 $$", -1, "", ""},
		{"exit 137", 137, "", ""},
		{"nosuchprogram", 127, "", "sh: 1: nosuchprogram: not found\n"},
		{"cat; echo end of input", 0, "end of input\n", ""},
		{"test -t 0 || test -t 1 || echo no tty", 0, "no tty\n", ""},
		{"echo again >/dev/stdout; echo e >/dev/stderr", 0, "again\n", "e\n"},
	}
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			code, stdout, stderr := l.run(t, n, tt.script)
			if strings.Contains(tt.stderr, "nosuchprogram") { // shells differ
				tt.stderr, stderr = "", strings.TrimSpace(strings.Map(func(rune) rune { return -1 }, stderr))
			}
			if code != tt.code || stdout != tt.stdout || stderr != tt.stderr {
				t.Errorf("got %d %q %q, want %d %q %q", code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
			}
		})
	}
}

func TestJoinedOutputComesAtTheEndWithoutExitCode(t *testing.T) {
	l, n := oneNode(t, nil)
	c := l.open(t, object{"Target": n.id, "DocumentName": "AWS-StartNonInteractiveCommand",
		"Parameters": object{"command": []string{`sh -c "echo out; echo err >&2; echo again; exit 3"`}}})
	if code := c.wait(); code != -100 {
		t.Errorf("exit code %d arrived, want none", code)
	}
	if got, want := c.stdout.String(), "out\nerr\nagain\n"; got != want || c.stderr.String() != "" {
		t.Errorf("got %q and %q, want %q joined", got, c.stderr, want)
	}
	if got := c.Type(); got != "NonInteractiveCommands" {
		t.Errorf("type %q", got)
	}
}

func TestCommandsAreExecutedWithoutAShell(t *testing.T) {
	l, n := oneNode(t, nil)
	start := func(command, separate string) *client {
		return l.open(t, object{"Target": n.id, "DocumentName": "AWS-StartNonInteractiveCommand",
			"Parameters": object{"command": []string{command}, "separateOutputStream": []string{separate}}})
	}
	tests := []struct {
		command, separate string
		code              int
		stdout, stderr    string
	}{
		{"id; exit 3", "false", -100, "", `exec: "id;": executable file not found in $PATH`},
		{"id; exit 3", "true", 1, "", `exec: "id;": executable file not found in $PATH`},
		{`echo "a b" 'c;d' e\ f # comment`, "true", 0, "a b c;d e f\n", ""},
		{`echo "unclosed`, "true", -100, "", "Failed to parse commands input: EOF found when expecting closing quote\n"},
	}
	for _, tt := range tests {
		t.Run(tt.command+" "+tt.separate, func(t *testing.T) {
			c := start(tt.command, tt.separate)
			code := c.wait()
			if code != tt.code || c.stdout.String() != tt.stdout || c.stderr.String() != tt.stderr {
				t.Errorf("got %d %q %q, want %d %q %q", code, c.stdout, c.stderr, tt.code, tt.stdout, tt.stderr)
			}
		})
	}
}

func TestSeparatorPrefixesComeBeforeReads(t *testing.T) {
	l, n := oneNode(t, nil)
	c := l.open(t, object{"Target": n.id, "DocumentName": "AWS-StartNonInteractiveCommand", "Parameters": object{
		"command": []string{`sh -c "echo out; echo err >&2"`}, "separateOutputStream": []string{"true"},
		"stdoutSeparatorPrefix": []string{"OUT:"}, "stderrSeparatorPrefix": []string{"ERR:"}}})
	if code := c.wait(); code != 0 || c.stdout.String() != "OUT:out\n" || c.stderr.String() != "ERR:err\n" {
		t.Errorf("got %d %q %q", code, c.stdout, c.stderr)
	}
}

func TestInterruptSignalsTheDirectChild(t *testing.T) {
	l, n := oneNode(t, nil)
	c := l.open(t, runInput(n, "echo ready; exec sleep 60"))
	c.expect("ready")
	if err := c.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(); code != 1 {
		t.Errorf("exit code %d, want the agent's 1", code)
	}
}

func TestShellIsAPtyWithEcho(t *testing.T) {
	l, n := oneNode(t, nil)
	c := l.open(t, object{"Target": n.id})
	c.typeLine("stty size; tty; echo $TERM $LANG $0 $((6*7))")
	c.expect("42\r\n")
	got := c.stdout.String()
	for _, want := range []string{"stty size; tty; echo", "0 0\r\n", "/dev/pts/", "xterm-256color C.UTF-8 sh 42\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("output has no %q: %q", want, got)
		}
	}
	if err := c.Resize(123, 45); err != nil {
		t.Fatal(err)
	}
	c.typeLine("stty size")
	c.expect("45 123\r\n")
	c.typeLine("exit 3")
	if code := c.wait(); code != -100 {
		t.Errorf("exit code %d arrived, want none from a pty", code)
	}
	if c.Type() != "" {
		t.Errorf("type %q: a session without KMS has no handshake", c.Type())
	}
}

func TestShellOfTheLabFileRuns(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) { spec.Nodes[0].Shell = "sh -u" })
	c := l.open(t, object{"Target": n.id})
	c.typeLine("echo flags=$-")
	c.expect("u")
	c.typeLine("exit")
	c.wait()
}

func TestInteractiveCommandRunsOnAPty(t *testing.T) {
	l, n := oneNode(t, nil)
	c := l.open(t, object{"Target": n.id, "DocumentName": "AWS-StartInteractiveCommand",
		"Parameters": object{"command": []string{"printf 'name? '; read -r name; echo hello $name"}}})
	c.expect("name? ")
	c.typeLine("node")
	c.expect("hello node\r\n")
	c.wait()
}

func TestOutputPassesTheAgentsDecoder(t *testing.T) {
	l, n := oneNode(t, nil)
	_, stdout, _ := l.run(t, n, `printf '\357\277\275abc\377\376'`)
	if want := "\xefabc"; stdout != want { // as recorded from the real agent
		t.Errorf("got %q, want %q", stdout, want)
	}
	l2, n2 := oneNode(t, func(spec *hclspec.Lab) { spec.Agent.UTF8 = false })
	_, stdout, _ = l2.run(t, n2, `printf '\357\277\275abc\377\376'`)
	if want := "\xef\xbf\xbdabc\xff\xfe"; stdout != want {
		t.Errorf("with utf8 = false: got %q, want %q", stdout, want)
	}
}

func TestTextFilterHoldsIncompleteCharacters(t *testing.T) {
	var f textFilter
	var got []string
	for _, in := range []string{"a\xe2\x82", "\xac\xffb", "cdef", "\xf0\x9f"} {
		got = append(got, string(f.pass([]byte(in))))
	}
	// An invalid byte among the last three waits too, with all after it.
	want := []string{"a", "€", "\xffbcdef", ""}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestFirstOutputOfAPtyWaits(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) { spec.Agent.FirstOutputDelay = 300 * time.Millisecond })
	begin := time.Now()
	c := l.open(t, object{"Target": n.id})
	c.typeLine("echo hi")
	c.expect("hi")
	if d := time.Since(begin); d < 300*time.Millisecond {
		t.Errorf("first output after %v, want at least 300ms", d)
	}
}

func TestLargeOutputIsWhole(t *testing.T) {
	l, n := oneNode(t, nil)
	code, stdout, stderr := l.run(t, n, "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done")
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if code != 0 || len(lines) != 20000 || lines[19999] != "19999" || stderr != "" {
		t.Errorf("code %d, %d lines, last %q, stderr %q", code, len(lines), lines[len(lines)-1], stderr)
	}
}

func TestTokenOpensTheChannelOnce(t *testing.T) {
	l, n := oneNode(t, nil)
	started := l.ssm(t, "StartSession", object{"Target": n.id})
	c := l.connect(t, started)
	c.typeLine("echo one")
	c.expect("one")

	wrong := object{"SessionId": started["SessionId"], "StreamUrl": started["StreamUrl"], "TokenValue": started["TokenValue"]}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	again, err := channel.Connect(ctx, channel.Config{
		SessionID: wrong["SessionId"].(string),
		Token:     wrong["TokenValue"].(string),
		Dial: func(ctx context.Context) (channel.Transport, error) {
			return channel.DialWebsocket(ctx, wrong["StreamUrl"].(string), channel.WebsocketOptions{})
		},
	})
	if err == nil {
		defer again.Close()
		err = again.Wait(ctx)
	}
	if err == nil || ctx.Err() != nil {
		t.Errorf("a used token gave a session: %v", err)
	}
}

func TestTerminateSessionEndsShellAndChannel(t *testing.T) {
	l, n := oneNode(t, nil)
	started := l.ssm(t, "StartSession", object{"Target": n.id, "Reason": "CHG-1"})
	c := l.connect(t, started)
	c.typeLine("echo up; sleep 60")
	c.expect("up\r\n")
	active := l.ssm(t, "DescribeSessions", object{"State": "Active", "Filters": []object{{"key": "Target", "value": n.id}}})["Sessions"].([]any)
	if len(active) != 1 || active[0].(object)["Reason"] != "CHG-1" || active[0].(object)["Status"] != "Connected" {
		t.Errorf("active sessions: %v", active)
	}
	l.ssm(t, "TerminateSession", object{"SessionId": started["SessionId"]})
	c.wait()
	eventually(t, "no process is left", func() bool { return l.Processes() == 0 })
	eventually(t, "the session is history", func() bool {
		history := l.ssm(t, "DescribeSessions", object{"State": "History"})["Sessions"].([]any)
		return len(history) == 1 && history[0].(object)["Status"] == "Terminated"
	})
	l.ssm(t, "TerminateSession", object{"SessionId": started["SessionId"]}) // again is no error
	l.refused(t, "ResumeSession", object{"SessionId": started["SessionId"]}, "DoesNotExistException", "")
}

// eventually waits for a condition that other goroutines or the kernel bring
// about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in ten seconds: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestTerminateEndsASessionWhoseInputIsStuck(t *testing.T) {
	l, n := oneNode(t, nil)
	c := l.open(t, object{"Target": n.id, "DocumentName": "AWS-StartInteractiveCommand",
		"Parameters": object{"command": []string{"stty -echo raw; echo ready; exec sleep 60"}}})
	c.expect("ready")
	if _, err := c.Write(bytes.Repeat([]byte("x"), 200_000)); err != nil { // far more than a pty takes
		t.Fatal(err)
	}
	l.ssm(t, "TerminateSession", object{"SessionId": c.ID()})
	c.wait()
	eventually(t, "the session and its process are gone", func() bool { return len(l.sessions.list(true)) == 0 && l.Processes() == 0 })
}

func TestInputOfAnySizeReachesAPty(t *testing.T) {
	l, n := oneNode(t, nil)
	c := l.open(t, object{"Target": n.id, "DocumentName": "AWS-StartInteractiveCommand",
		"Parameters": object{"command": []string{"stty -echo raw; echo ready; head -c 300000 | cksum"}}})
	c.expect("ready")
	if _, err := c.Write(bytes.Repeat([]byte("0123456789"), 30_000)); err != nil {
		t.Fatal(err)
	}
	c.expect(" 300000")
	c.wait()
	if !strings.Contains(c.stdout.String(), "1993361615 300000") {
		t.Errorf("checksum: %q", tail(c.stdout))
	}
}

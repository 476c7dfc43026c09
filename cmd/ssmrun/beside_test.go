//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	beside       = flag.Bool("beside", false, "measure sessions, against a lab in a process of its own")
	besidePlugin = flag.String("beside.plugin", "", "AWS's session-manager-plugin, `FILE`, to measure beside ssmrun")
	besideRuns   = flag.Int("beside.runs", 5, "how often each program is measured")
)

// needBeside skips what is a measurement and not a test: docs/performance.md has
// the command and the figures.
func needBeside(t *testing.T) {
	if !*beside {
		t.Skip("a measurement of some minutes: run with -beside, and -beside.plugin=FILE to measure AWS's plugin too")
	}
}

// usage is what a program and those that it started needed.
type usage struct {
	cpu    time.Duration
	peak   int           // KiB: the sum of all peaks
	first  time.Duration // until the first byte of stdout that is not the program's own
	stdout int64
}

// measured runs a program to its end. Its stdin stays open. Peaks are read from
// /proc while it runs: the peak in its rusage begins with this process's own.
func measured(t testing.TB, cmd *exec.Cmd, awaited string) usage {
	t.Helper()
	cmd.Stdin = nil
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, peak := make(chan struct{}), make(chan int)
	go func() { peak <- watchPeak(cmd.Process.Pid, ended) }()
	var u usage
	u.first, u.stdout = awaitText(stdout, awaited, begun)
	err = cmd.Wait()
	close(ended)
	u.peak = <-peak
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, tail(stderr.String()))
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return u
}

// awaitText reads r to its end and notes when text came, and how much there was.
func awaitText(r io.Reader, text string, begun time.Time) (first time.Duration, n int64) {
	buf := make([]byte, 64<<10)
	var head []byte
	for {
		k, err := r.Read(buf)
		if n += int64(k); first == 0 && len(head) < 4<<10 {
			if head = append(head, buf[:k]...); bytes.Contains(head, []byte(text)) {
				first = time.Since(begun)
			}
		}
		if err != nil {
			return first, n
		}
	}
}

// watchPeak adds up the peaks of a process and its descendants.
func watchPeak(pid int, ended <-chan struct{}) (sum int) {
	peaks := map[int]int{}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			for _, kib := range peaks {
				sum += kib
			}
			return sum
		case <-tick.C:
			notePeaks(pid, peaks)
		}
	}
}

func notePeaks(pid int, peaks map[int]int) {
	if kib, ok := statusKiB(pid, "VmHWM"); ok {
		peaks[pid] = kib
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range children {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				notePeaks(child, peaks)
			}
		}
	}
}

// statusKiB reads a size from a process's status.
func statusKiB(pid int, name string) (kib int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			kib, err = strconv.Atoi(strings.Fields(rest)[0])
			return kib, err == nil
		}
	}
	return 0, false
}

// besides is one node's lab and the programs that start sessions on it.
type besides struct {
	t      testing.TB
	dir    string
	env    []string
	target string
}

const besideTarget = "i-00000000000000001"

// besideLab is a lab file of one node whose agent has no pauses of its own.
const besideLab = "nodes \"n\" {\n  ids = [\"" + besideTarget + "\"]\n}\nagent {\n  first_output_delay = \"0s\"\n  pacing = \"0s\"\n}\n"

// newBesides serves a lab over TLS from another process.
func newBesides(t testing.TB) *besides {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "n.lab.hcl"), besideLab)
	served := startLab(t, dir, true)
	return &besides{t: t, dir: dir, env: trusting(served.environ), target: besideTarget}
}

// trusting adds the lab's authority for programs that know only the system's.
func trusting(environ []string) []string {
	env := append(os.Environ(), environ...)
	for _, setting := range environ {
		if name, value, _ := strings.Cut(setting, "="); name == "AWS_CA_BUNDLE" {
			env = append(env, "SSL_CERT_FILE="+value)
		}
	}
	return append(env, "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
}

// ownSession is `ssmrun start-session`.
func (b *besides) ownSession(args ...string) *exec.Cmd {
	cmd := command(b.dir, append([]string{"start-session", "--target", b.target}, args...)...)
	cmd.Env = b.env
	return cmd
}

// cliSession is `aws ssm start-session` with a plugin.
func (b *besides) cliSession(plugin string, args ...string) *exec.Cmd {
	bin := b.t.TempDir()
	if err := os.Symlink(plugin, filepath.Join(bin, "session-manager-plugin")); err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command("aws", append([]string{"ssm", "start-session", "--target", b.target}, args...)...)
	cmd.Env = append(b.env, "PATH="+bin+":"+os.Getenv("PATH"))
	return cmd
}

// pluginSession is AWS's plugin alone, with a session that the AWS CLI started
// for it.
func (b *besides) pluginSession(args ...string) *exec.Cmd {
	b.t.Helper()
	recorder := filepath.Join(b.t.TempDir(), "recorder")
	const script = "#!/bin/sh\n[ \"$1\" = --version ] && echo 1.2.677.0 && exit\n" +
		"for arg in \"$AWS_SSM_START_SESSION_RESPONSE\" \"$@\"; do printf '%s\\n' \"$arg\"; done\n"
	if err := os.WriteFile(recorder, []byte(script), 0o755); err != nil {
		b.t.Fatal(err)
	}
	out, err := b.cliSession(recorder, args...).Output()
	given := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if err != nil || len(given) != 7 {
		b.t.Fatalf("the AWS CLI gave the plugin %q: %v", out, err)
	}
	cmd := exec.Command(*besidePlugin, given[1:]...)
	cmd.Env = append(b.env, "AWS_SSM_START_SESSION_RESPONSE="+given[0])
	return cmd
}

// shellCommand are the arguments of a session that runs a script without a
// terminal, stdout and stderr apart.
func shellCommand(script string) []string {
	parameters, err := json.Marshal(map[string][]string{
		"command": {"sh -c '" + script + "'"}, "separateOutputStream": {"true"},
	})
	if err != nil {
		panic(err)
	}
	return []string{"--document-name", "AWS-StartNonInteractiveCommand", "--parameters", string(parameters)}
}

// programs are what is measured beside each other, by name, in a fixed order.
func (b *besides) programs(args ...string) (names []string, starts map[string]func() *exec.Cmd) {
	starts = map[string]func() *exec.Cmd{"ssmrun start-session": func() *exec.Cmd { return b.ownSession(args...) }}
	names = []string{"ssmrun start-session"}
	if *besidePlugin == "" {
		return names, starts
	}
	starts["plugin"] = func() *exec.Cmd { return b.pluginSession(args...) }
	starts["AWS CLI and plugin"] = func() *exec.Cmd { return b.cliSession(*besidePlugin, args...) }
	return append(names, "plugin", "AWS CLI and plugin"), starts
}

// median sorts.
func median[T int | int64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// logged is what the measurements want of an event of `apply -json`.
type logged struct {
	Type string    `json:"type"`
	Text string    `json:"@message"`
	At   time.Time `json:"@timestamp"`

	// Of step_complete.
	Bytes    int64  `json:"stdout_bytes"`
	SHA256   string `json:"stdout_sha256"`
	Verified bool   `json:"verified"`
}

// events hands each event to see.
func events(r io.Reader, see func(logged)) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 16<<20)
	for scan.Scan() {
		var e logged
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			return fmt.Errorf("read event %q: %w", scan.Text(), err)
		}
		see(e)
	}
	return scan.Err()
}

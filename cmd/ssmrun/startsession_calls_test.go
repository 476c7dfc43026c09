package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var awsCLI = flag.String("aws", "", "compare the calls of start-session with this AWS CLI's anew, as `program`; with -update, of version 2, write the kept ones")

// callsFile holds the calls that AWS CLI 2.36.7 makes for callCases: it was
// given them by TestKeptCallsAreTheCLIs.
const callsFile = "testdata/start_session_calls.jsonl"

// callResult is what a command line came to.
type callResult struct {
	Name   string
	Exit   int
	Stdout string `json:",omitempty"`
	Calls  []call `json:",omitempty"`
}

func callCases() []callCase { return slices.Concat(requestCases, settingCases, answerCases) }

// TestCallsAreTheCLIs: the service sees of start-session what it sees of AWS CLI
// version 2, and the exit code is the same, but where a case says why not.
func TestCallsAreTheCLIs(t *testing.T) {
	kept := keptCalls(t)
	for _, c := range callCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want, ok := kept[c.name]
			if !ok {
				t.Fatal("the AWS CLI's calls are not kept: run with -aws PROGRAM -update")
			}
			if c.slow && *awsCLI == "" {
				t.Skip("it waits for seconds: run with -aws")
			}
			got := c.run(t, "ssmrun", "start-session")
			if c.ours != "" {
				if len(got.Calls) != c.calls || got.Exit != c.exit {
					t.Errorf("%d calls and exit code %d, want %d and %d:\n%+v", len(got.Calls), got.Exit, c.calls, c.exit, got.Calls)
				}
				same := min(len(want.Calls), len(got.Calls))
				want.Calls, got.Calls = append([]call(nil), want.Calls[:same]...), append([]call(nil), got.Calls[:same]...)
				want.Exit, want.Stdout = got.Exit, got.Stdout
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-AWS CLI +ssmrun)\n%s", diff)
			}
		})
	}
}

// TestKeptCallsAreTheCLIs gives the command lines to the AWS CLI of -aws.
func TestKeptCallsAreTheCLIs(t *testing.T) {
	if *awsCLI == "" {
		t.Skip("some minutes: run with -aws PROGRAM, which may be aws")
	}
	program, err := exec.LookPath(*awsCLI)
	if err != nil {
		t.Fatal(err)
	}
	version, err := exec.Command(program, "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, version)
	}
	first := strings.HasPrefix(string(version), "aws-cli/1.")
	if first && *update {
		t.Fatal("the kept calls are version 2's")
	}
	var kept map[string]callResult
	if !*update {
		kept = keptCalls(t)
	}
	var results bytes.Buffer
	for _, c := range callCases() {
		t.Run(c.name, func(t *testing.T) {
			if first && c.version1 != "" {
				t.Skip("version 1: " + c.version1)
			}
			got := c.run(t, program, "ssm", "start-session")
			if *update {
				line, err := json.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				results.Write(append(line, '\n'))
				return
			}
			want := kept[c.name]
			if first && want.Exit != 0 && got.Exit != 0 {
				got.Exit = want.Exit // version 1 has other codes
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-kept +AWS CLI)\n%s", diff)
			}
		})
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(callsFile, results.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func keptCalls(t *testing.T) map[string]callResult {
	t.Helper()
	file, err := os.Open(callsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	kept := map[string]callResult{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var r callResult
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		kept[r.Name] = r
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return kept
}

// run gives the command line to a program.
func (c callCase) run(t *testing.T, program string, before ...string) callResult {
	t.Helper()
	dir := t.TempDir()
	service := newRecorder(t, c.answers, c.tls)
	filled := func(text string) string { return strings.ReplaceAll(text, "$URL", service.URL) }
	for name, text := range c.files {
		write(t, filepath.Join(dir, name), filled(text))
	}
	if c.tls {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw}
		write(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(block)))
	}
	args := before
	for _, arg := range c.args {
		args = append(args, filled(arg))
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	settings := []string{"AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=eu-west-1",
		"AWS_DEFAULT_REGION=eu-west-1", "AWS_ENDPOINT_URL=" + service.URL}
	for _, setting := range c.env {
		settings = append(settings, filled(setting))
	}
	cmd.Env = append(cleanEnvironment(t, dir), lastSettings(settings)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	t.Logf("stderr: %s", stderr.String())
	return callResult{c.name, cmd.ProcessState.ExitCode(), stdout.String(), service.seen()}
}

// cleanEnvironment has no setting of AWS's but those that keep this machine's
// away, and a session-manager-plugin that does nothing, without which the AWS
// CLI starts no session.
func cleanEnvironment(t *testing.T, dir string) []string {
	t.Helper()
	stub := filepath.Join(t.TempDir(), "session-manager-plugin")
	if err := os.WriteFile(stub, []byte("#!/bin/sh\necho 1.2.707.0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{
		"PATH=" + filepath.Dir(stub) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8",
		"AWS_CONFIG_FILE=config", "AWS_SHARED_CREDENTIALS_FILE=credentials", "AWS_EC2_METADATA_DISABLED=true",
	}
}

// lastSettings leaves the last setting of each variable, and none that is
// empty.
func lastSettings(settings []string) []string {
	var names []string
	values := map[string]string{}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		values[name] = value
	}
	var last []string
	for _, name := range names {
		if values[name] != "" {
			last = append(last, name+"="+values[name])
		}
	}
	return last
}

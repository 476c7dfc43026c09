package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// awsCLI runs AWS's own client against the lab. Tests that use it are skipped
// where it is not installed: it is an independent peer, not a requirement.
func awsCLI(t testing.TB, l *Lab, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command("aws", args...)
	home := t.TempDir()
	// A plugin that only shows what it was given: the CLI wants one before it
	// calls StartSession.
	plugin := filepath.Join(home, "session-manager-plugin")
	if err := os.WriteFile(plugin, []byte("#!/bin/sh\n[ \"$1\" = --version ] && echo 1.2.677.0 && exit\nenv | grep AWS_SSM_START\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(l.Environ(), "HOME="+home, "PATH="+home+":"+os.Getenv("PATH"), "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE="+filepath.Join(home, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, "credentials"))
	if pem := l.CACertPEM(); pem != nil {
		bundle := filepath.Join(home, "ca.pem")
		if err := os.WriteFile(bundle, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "AWS_CA_BUNDLE="+bundle)
	}
	for _, name := range []string{"PYENV_VERSION", "PYENV_ROOT"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

func TestAWSCLIWorksAgainstTheLab(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	if testing.Short() {
		t.Skip("the AWS CLI takes about a second of CPU a call")
	}
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(12)}}, Options{TLS: true})
	query := func(args ...string) string {
		t.Helper()
		stdout, stderr, err := awsCLI(t, l, args...)
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, stderr)
		}
		return strings.TrimSpace(stdout)
	}

	if got := query("ssm", "describe-instance-information", "--filters", "Key=tag:Role,Values=web", "--query", "length(InstanceInformationList)"); got != "12" {
		t.Errorf("describe-instance-information found %s nodes over its pages, want 12", got)
	}
	if got := query("ssm", "get-connection-status", "--target", l.nodes[0].id, "--query", "Status", "--output", "text"); got != "connected" {
		t.Errorf("get-connection-status: %s", got)
	}

	plugin, _, err := awsCLI(t, l, "ssm", "start-session", "--target", l.nodes[0].id, "--reason", "by the CLI",
		"--document-name", "AWS-StartInteractiveCommand", "--parameters", "command=sleep 1001")
	if err != nil || !strings.Contains(plugin, `"StreamUrl": "wss://127.0.0.1:`) {
		t.Errorf("start-session gave the plugin: %v %s", err, plugin)
	}
	byCLI := l.Sessions()[0]
	if byCLI.Target != l.nodes[0].id || byCLI.Reason != "by the CLI" || byCLI.Type != "InteractiveCommands" {
		t.Errorf("start-session made %+v", byCLI)
	}
	if got := query("ssm", "terminate-session", "--session-id", byCLI.ID, "--query", "SessionId", "--output", "text"); got != byCLI.ID {
		t.Errorf("terminate-session answered %s", got)
	}
	eventually(t, "the terminated command is gone", func() bool { return l.Processes() == 0 })

	_, stderr, err := awsCLI(t, l, "ssm", "start-session", "--target", "i-0fffffffffffffff0")
	if err == nil || !strings.Contains(stderr, "(TargetNotConnected)") {
		t.Errorf("start-session on an unknown target: %v %s", err, stderr)
	}
	if got := query("sts", "get-caller-identity", "--query", "Account", "--output", "text"); got != l.AccountID() {
		t.Errorf("get-caller-identity: account %s", got)
	}
}

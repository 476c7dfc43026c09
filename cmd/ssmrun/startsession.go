package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ssmrun/ssmrun/internal/awscli"
	"github.com/ssmrun/ssmrun/internal/fleet"
)

// separateOutput is the one option that the AWS CLI does not have.
const separateOutput = "separate-output"

func newStartSession() *cobra.Command {
	return &cobra.Command{
		Use:   "start-session --target TARGET [options]",
		Short: "Start one session, as `aws ssm start-session` does, with no plugin",
		Long: `Start a session on one target and attend it: a shell, a command document, a
forwarded port, or the ProxyCommand of ssh. The options, their meaning and the
exit codes are those of AWS CLI v2; the exit code is the remote command's when
the agent tells it. docs/start-session.md has it all.

` + startSessionOptions(),
		Annotations: map[string]string{ownsFlags: "yes"},
		Args:        cobra.ArbitraryArgs,
		RunE:        startSession,
	}
}

// startSession does what the arguments say.
func startSession(cmd *cobra.Command, args []string) error {
	args, separate, help := ownOptions(args)
	if help {
		return cmd.Help()
	}
	c, err := awscli.Parse(args, cliFiles())
	switch {
	case err != nil:
	case c.Help:
		return cmd.Help()
	case c.Version:
		printVersion(cmd)
		return nil
	case c.Skeleton != "":
		err = printSkeleton(cmd.OutOrStdout(), c)
	case halfCredentials(c.Globals):
		err = awscli.HalfCredentials()
	default:
		t := &terminal{in: os.Stdin, out: os.Stdout}
		a := &attendance{term: t, stdout: os.Stdout, stderr: os.Stderr, notes: t.notes(os.Stderr), separate: separate}
		f := fleet.New(cliOptions(c.Globals, t))
		defer f.Close()
		err = a.run(cmd.Context(), f, fleet.Request{
			Target: c.Request.Target, DocumentName: c.Request.DocumentName,
			Reason: c.Request.Reason, Parameters: c.Request.Parameters,
		})
	}
	return report(cmd.ErrOrStderr(), c, err)
}

// ownOptions takes out of the arguments what the AWS CLI does not know, and
// gives its options two dashes where they have one. An argument that begins
// with a dash is never a value to the AWS CLI, so none is mistaken here.
func ownOptions(args []string) (rest []string, separate, help bool) {
	known := awscli.Options()
	for i, arg := range args {
		if arg == "--" {
			return append(rest, args[i:]...), separate, help
		}
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		dashes := len(arg) - len(strings.TrimLeft(arg, "-"))
		switch {
		case dashes != 1 && dashes != 2:
		case arg[dashes:] == separateOutput:
			separate = true
			continue
		case arg[dashes:] == "help" || arg == "-h":
			help = true
			continue
		case dashes == 1 && slices.ContainsFunc(known, func(o awscli.Option) bool { return o.Name == name }):
			arg = "-" + arg
		}
		rest = append(rest, arg)
	}
	return rest, separate, help
}

// cliFiles is this machine as file:// sees it.
func cliFiles() awscli.Files {
	return awscli.Files{Read: os.ReadFile, Getenv: os.LookupEnv, Home: func(name string) (string, bool) {
		if name == "" {
			home, err := os.UserHomeDir()
			return home, err == nil
		}
		u, err := user.Lookup(name)
		if err != nil {
			return "", false
		}
		return u.HomeDir, true
	}}
}

// cliOptions are the global options as fleet takes them.
func cliOptions(g awscli.Globals, t *terminal) fleet.Options {
	o := fleet.Options{
		Profile: g.Profile, Region: g.Region, EndpointURL: g.EndpointURL,
		CABundle: g.CABundle, NoVerifySSL: g.NoVerifySSL, NoSignRequest: g.NoSignRequest,
		ReadTimeout: cliTimeout(g.ReadTimeout), ConnectTimeout: cliTimeout(g.ConnectTimeout),
		MFACode: t.mfaCode,
	}
	if g.Debug {
		o.Logger = slog.New(slog.NewTextHandler(t.notes(os.Stderr), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o
}

// halfCredentials reports whether the environment's credentials are the ones to
// use and lack their secret.
func halfCredentials(g awscli.Globals) bool {
	return g.Profile == "" && !g.NoSignRequest && os.Getenv("AWS_ACCESS_KEY_ID") != "" && os.Getenv("AWS_SECRET_ACCESS_KEY") == ""
}

// cliTimeout is a time as fleet takes it: the AWS CLI's 0 waits for ever.
func cliTimeout(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// mfaCode asks for the code that a profile's role wants.
func (t *terminal) mfaCode() (string, error) {
	if !t.interactive() {
		return "", errors.New("the profile's role wants an MFA code, and stdin is no terminal to ask at")
	}
	fmt.Fprint(os.Stderr, "Enter MFA code: ")
	code, err := term.ReadPassword(int(t.in.Fd()))
	fmt.Fprintln(os.Stderr)
	return strings.TrimSpace(string(code)), err
}

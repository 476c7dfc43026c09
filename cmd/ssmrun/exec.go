package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func newExec() *cobra.Command {
	var (
		a    applying
		book adhoc
		tags []string
		save string
	)
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARG...]",
		Short: "Run one command on many targets, without a runbook",
		Long: `Plan, ask, and run one command on every target that all selectors match. Equal
outputs are shown once, with the targets that gave them.

One argument is a script for sh: exec -tag Role=web -- 'df -h | tail -n 1'.
Several are a command and its arguments, quoted by ssmrun for the remote shell.`,
		Annotations: map[string]string{ownsRest: "yes"},
		Args:        cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			book.command = args
			if err := book.complete(tags); err != nil {
				return err
			}
			dir, err := book.write(save)
			if err != nil {
				return err
			}
			if save == "" {
				defer os.RemoveAll(dir)
			}
			a.adhoc = args
			return a.apply(cmd, dir)
		},
	}
	a.register(cmd)
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	fs.StringArrayVar(&tags, "tag", nil, "targets with this tag: `NAME=VALUE[,VALUE...]`; * works in values; may be repeated, and all must match")
	fs.StringArrayVar(&book.ids, "id", nil, "the target with this `ID`; may be repeated")
	fs.StringArrayVar(&book.names, "name", nil, "targets with this `NAME`; * works; may be repeated")
	fs.StringVar(&book.platform, "platform", "", "targets of this `PLATFORM`: Linux, Windows or MacOS")
	fs.IntVar(&book.canary, "canary", 0, "run on `N` targets first, and on the others when those passed")
	fs.StringVar(&book.failures, "max-failures", "", "halt when more than `N` or N% of the targets failed")
	fs.IntVar(&book.parallel, "max-parallel", 0, "run on at most `N` targets at a time")
	fs.StringVar(&book.timeout, "timeout", "", "stop a target after this `TIME`, such as 10m")
	fs.StringVar(&book.reason, "reason", "", "why, for AWS's records (default: the command)")
	fs.StringVar(&save, "save", "", "write the runbook to `DIR`, which must not have one, and run it from there")
	return cmd
}

// complete checks what was asked for and fills in what was left out.
func (b *adhoc) complete(tags []string) error {
	if strings.TrimSpace(strings.Join(b.command, "")) == "" {
		return usageError("exec needs a command: ssmrun exec -tag Role=web -- uptime")
	}
	for _, arg := range b.command {
		if !utf8.ValidString(arg) {
			return usageError("the command is not UTF-8; put such bytes into a script file of a runbook")
		}
	}
	b.tags = map[string][]string{}
	for _, tag := range tags {
		name, values, ok := strings.Cut(tag, "=")
		if !ok || name == "" {
			return usageError(fmt.Sprintf("-tag %s: want NAME=VALUE", tag))
		}
		b.tags[name] = append(b.tags[name], strings.Split(values, ",")...)
	}
	if len(b.ids)+len(b.names)+len(b.tags) == 0 {
		return usageError("exec needs targets: -tag NAME=VALUE, -id ID or -name NAME")
	}
	if b.reason == "" {
		b.reason = "ssmrun exec: " + strings.Join(b.command, " ")
	}
	return nil
}

// write puts the runbook into dir, or into a new temporary directory when dir
// is "". It overwrites nothing.
func (b *adhoc) write(dir string) (string, error) {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "ssmrun-exec-"); err != nil {
			return "", fmt.Errorf("make a directory for the runbook: %w", err)
		}
	} else if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("-save: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, adhocFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", fmt.Errorf("-save: %w", err)
	}
	if _, err := file.WriteString(b.source()); err != nil {
		file.Close()
		return "", fmt.Errorf("write the runbook: %w", err)
	}
	return dir, file.Close()
}

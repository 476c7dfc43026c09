package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/lab"
)

func newLab() *cobra.Command {
	var (
		opts    lab.Options
		envFile string
		caFile  string
		flags   uiFlags
	)
	cmd := &cobra.Command{
		Use:   "lab [flags] [DIR]",
		Short: "Serve an SSM service on loopback, with shells of this machine as nodes",
		Long: `Serve the SSM API and the data channel on loopback, with the nodes that the
*.lab.hcl files of DIR declare. Commands sent to a node run on this machine.

The endpoint and a key pair made for this lab are printed as settings that every
AWS SDK and the AWS CLI understand. The lab runs until it is interrupted; then it
kills what its nodes started.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, dir, err := flags.begin(cmd, args)
			if err != nil {
				return err
			}
			if caFile != "" && !opts.TLS {
				return usageError("-ca-file goes with -tls")
			}
			spec, diags := loadLab(labBeside, dir)
			if err := u.diagnose(diags, nil); err != nil {
				return err
			}
			in := catchInterrupts(cmd.Context(), io.Discard)
			defer in.release()
			served, err := lab.Start(in.ctx, spec, opts)
			if err != nil {
				return fmt.Errorf("start the lab: %w", err)
			}
			err = announce(u, served, envFile, caFile)
			if err == nil {
				<-in.stopping
			}
			if envFile != "" {
				err = errors.Join(err, os.Remove(envFile))
			}
			return errors.Join(err, served.Close())
		},
	}
	flags.register(cmd, "")
	fs := cmd.Flags()
	fs.StringVar(&opts.Addr, "addr", "127.0.0.1:0", "loopback `HOST:PORT` to listen on; port 0 chooses a free one")
	fs.BoolVar(&opts.TLS, "tls", false, "serve https and wss with a certificate authority made for this lab")
	fs.StringVar(&opts.Dir, "dir", "", "make the nodes' directories in the existing directory `DIR`, which nodes must be able to enter, instead of the system's temporary one")
	fs.StringVar(&envFile, "env-file", "", "write the settings to `FILE` as KEY=VALUE lines, mode 0600; it is removed at the end")
	fs.StringVar(&caFile, "ca-file", "", "write the certificate authority of -tls to `FILE`")
	return cmd
}

// announce prints how to use the lab, and writes the files that were asked for.
func announce(u *ui, l *lab.Lab, envFile, caFile string) error {
	environ := l.Environ()
	if caFile != "" {
		if err := os.WriteFile(caFile, l.CACertPEM(), 0o644); err != nil {
			return fmt.Errorf("-ca-file: %w", err)
		}
		var err error
		if caFile, err = filepath.Abs(caFile); err != nil {
			return fmt.Errorf("-ca-file: %w", err)
		}
		environ = append(environ, "AWS_CA_BUNDLE="+caFile)
	}
	if envFile != "" {
		if err := writePrivate(envFile, strings.Join(environ, "\n")+"\n"); err != nil {
			return fmt.Errorf("-env-file: %w", err)
		}
	}
	fmt.Fprintln(u.stderr, lab.Notice)
	fmt.Fprintf(u.stdout, "The lab is at %s. Use it with:\n\n", l.Endpoint())
	for _, setting := range environ {
		fmt.Fprintf(u.stdout, "  export %s\n", setting)
	}
	_, err := fmt.Fprintln(u.stdout, "\nInterrupt (Ctrl-C) ends it.")
	return err
}

// writePrivate writes a file that only its owner can read, whatever the umask
// and whatever was there before.
func writePrivate(name, text string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

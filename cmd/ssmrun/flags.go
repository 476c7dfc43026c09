package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// normalizeFlags rewrites Terraform's spelling of flags (-var a=b, -auto-approve)
// to the two dashes that pflag wants. It follows the command line as cobra will,
// so a flag's value is never taken for a flag, and it stops where the arguments
// stop being ours: at "--", and for exec at the first word of the command.
func normalizeFlags(root *cobra.Command, args []string) []string {
	out := make([]string, 0, len(args))
	cmd := root
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case len(arg) < 2 || arg[0] != '-':
			if sub := subcommand(cmd, arg); sub != nil {
				if cmd = sub; cmd.Annotations[ownsFlags] != "" {
					return append(append(out, arg, "--"), args[i+1:]...)
				}
			} else if cmd.Annotations[ownsRest] != "" {
				return append(out, args[i:]...)
			}
			out = append(out, arg)
		default:
			name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			flag := lookup(cmd, name)
			if flag == nil {
				if len(name) > 1 { // a mistake is told of as a flag, not as letters
					arg = "--" + strings.TrimLeft(arg, "-")
				}
				out = append(out, arg)
				continue
			}
			out = append(out, "--"+strings.TrimLeft(arg, "-"))
			if !hasValue && flag.NoOptDefVal == "" && i+1 < len(args) {
				i++
				out = append(out, args[i])
			}
		}
	}
	return out
}

// ownsRest marks a command whose arguments end our flags.
const ownsRest = "owns-rest"

// ownsFlags marks a command that reads all that follows its name itself.
const ownsFlags = "owns-flags"

func subcommand(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == name || sub.HasAlias(name) {
			return sub
		}
	}
	return nil
}

// lookup finds a flag of cmd or of the commands above it by its long name.
func lookup(cmd *cobra.Command, name string) *pflag.Flag {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	for c := cmd; c != nil; c = c.Parent() {
		if f := c.PersistentFlags().Lookup(name); f != nil {
			return f
		}
	}
	return nil
}

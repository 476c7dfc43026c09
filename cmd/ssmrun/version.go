package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/ssmrun/ssmrun/internal/event"
)

// version is what `ssmrun version` says and required_version is compared to.
const version = "0.1.0"

// versionFact is the first line of every stream of events.
var versionFact = event.VersionFact{SSMRun: version, UI: event.Version}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of ssmrun",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{
					"ssmrun": version, "ui": event.Version, "revision": revision(),
					"platform": runtime.GOOS + "_" + runtime.GOARCH, "go": runtime.Version(),
				})
			}
			printVersion(cmd)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// printVersion says which version this is, for people.
func printVersion(cmd *cobra.Command) {
	fmt.Fprintf(cmd.OutOrStdout(), "ssmrun v%s\non %s_%s\n", version, runtime.GOOS, runtime.GOARCH)
}

// revision is the commit that this binary was built from, "" when the build
// did not record it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

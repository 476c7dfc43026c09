package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/ssmrun/ssmrun/internal/fleet"
)

// awsFlags are the options of every command that talks to AWS, with the AWS
// CLI's names and meaning.
type awsFlags struct {
	profile, region, endpoint, caBundle string
	noVerifySSL, noSign, debug          bool
	readTimeout, connectTimeout         int // seconds; 0 waits for ever
}

func (f *awsFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.profile, "profile", "", "`NAME` of the profile in the shared config files, for providers that name none")
	fs.StringVar(&f.region, "region", "", "AWS `REGION`, for providers that name none")
	fs.StringVar(&f.endpoint, "endpoint-url", "", "`URL` to use instead of AWS's own, such as the one `ssmrun lab` prints")
	fs.StringVar(&f.caBundle, "ca-bundle", "", "`FILE` of certificates to trust instead of the system's")
	fs.BoolVar(&f.noVerifySSL, "no-verify-ssl", false, "do not verify certificates")
	fs.BoolVar(&f.noSign, "no-sign-request", false, "do not sign requests, and load no credentials")
	fs.BoolVar(&f.debug, "debug", false, "log what is said to AWS to standard error; no secret is logged")
	fs.IntVar(&f.readTimeout, "cli-read-timeout", 60, "`SECONDS` to wait for an answer; 0 waits for ever")
	fs.IntVar(&f.connectTimeout, "cli-connect-timeout", 60, "`SECONDS` to wait for a connection; 0 waits for ever")
}

func (f *awsFlags) options() fleet.Options {
	o := fleet.Options{
		Profile:        f.profile,
		Region:         f.region,
		EndpointURL:    f.endpoint,
		CABundle:       f.caBundle,
		NoVerifySSL:    f.noVerifySSL,
		NoSignRequest:  f.noSign,
		ReadTimeout:    limit(f.readTimeout),
		ConnectTimeout: limit(f.connectTimeout),
	}
	if f.debug {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o
}

// limit is a flag's seconds as fleet takes them: the AWS CLI's 0 waits for ever.
func limit(seconds int) time.Duration {
	if seconds == 0 {
		return -1
	}
	return time.Duration(seconds) * time.Second
}

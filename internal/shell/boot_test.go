package shell

import (
	"testing"
)

func TestBootsAndRunsOnEveryShell(t *testing.T) {
	for name, argv := range shells(t) {
		for _, server := range []string{"sh", "perl", "python3"} {
			t.Run(name+"/"+server, func(t *testing.T) {
				t.Parallel()
				r := boot(t, argv, agent, Options{Servers: []string{server}})
				out, errs, res := r.run(t, sh("echo hello; echo oops >&2; exit 7"))
				if out != "hello\n" || errs != "oops\n" || res.ExitCode != 7 || !res.Verified() || !res.StateSaved {
					t.Fatalf("got %q %q %+v", out, errs, res)
				}
			})
		}
	}
}

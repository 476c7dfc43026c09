package shell

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestBootsAndRunsOnEveryShell(t *testing.T) {
	for name, argv := range shells(t) {
		for _, server := range servers {
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

// refusal is what shells say of a program that is not there.
var refusal = regexp.MustCompile(`(?i)no such file|not found|unknown command`)

// What a shell says of a boot that fails is shown, and what was typed into it is
// not, however the shell and its terminal echo that.
func TestABootThatFailsShowsTheShellsOwnWords(t *testing.T) {
	for name, argv := range shells(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, argv, agent, Options{binSh: "/nonexistent/sh"})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			go func() {
				for ctx.Err() == nil && !refusal.MatchString(r.Screen()) {
					time.Sleep(20 * time.Millisecond)
				}
				cancel()
			}()
			_, err := r.Boot(ctx)
			r.cmd.Process.Kill()
			var boot *BootError
			if !errors.As(err, &boot) {
				t.Fatalf("error %v", err)
			}
			if !refusal.MatchString(boot.Screen) || strings.Contains(boot.Screen, "read") || strings.Contains(boot.Screen, "perl") {
				t.Errorf("screen %q", boot.Screen)
			}
		})
	}
}

func TestWithoutEcho(t *testing.T) {
	typed := " /bin/sh -c 'stty -echo -ixon;while read -r a b;do case $a in \"#R\")_r;;esac;done'\n"
	for name, c := range map[string]struct{ screen, want string }{
		"echoed twice": {
			"Welcome to web-01\n" + typed[1:] + "\nroot@web-01:~# " + typed + "bash: fork: Resource temporarily unavailable",
			"Welcome to web-01\nroot@web-01:~#\nbash: fork: Resource temporarily unavailable",
		},
		"wrapped":          {"$ /bin/sh -c 'stty -echo -ix \rxon;while read -r a b;do case $a in", ""},
		"interrupted":      {"^C\n^C^C\nlogin: ", "login:"},
		"quoted by error":  {"rsh: /bin/sh -c 'stty -echo: is more than this shell allows", "rsh: /bin/sh -c 'stty -echo: is more than this shell allows"},
		"after a prompt":   {"Password: " + typed, "Password:"},
		"nothing was said": {"", ""},
	} {
		if got := withoutEcho(c.screen, typed); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

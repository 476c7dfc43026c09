package shell

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// toolsWithout is a PATH that has what a small target has, less some.
func toolsWithout(t *testing.T, missing ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sh", "cat", "dd", "env", "mkdir", "rm", "sleep", "stty", "base64", "openssl", "od",
		"gzip", "cksum", "setsid", "awk", "perl", "python3", "head", "kill", "tr",
		"wc", "mv", "chmod", "chown", "tar", "tail", "sha256sum", "uname", "id", "sed"} {
		path, err := exec.LookPath(name)
		if err != nil || slices.Contains(missing, name) {
			continue
		}
		if name == "python3" { // past a version manager's shim, which needs more tools
			if real, err := exec.Command(path, "-c", "import sys; print(sys.executable)").Output(); err == nil {
				path = trim(string(real))
			}
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWorksWithoutTools(t *testing.T) {
	bare := []string{"perl", "python3"}
	cases := map[string]struct {
		missing []string
		server  string
		exact   bool
	}{
		"perl is preferred": {nil, "perl", true},
		"python3 is next":   {[]string{"perl"}, "python3", true},
		"sh is the last":    {bare, "sh", true},
		"no base64":         {append([]string{"base64"}, bare...), "sh", true},
		"only od":           {append([]string{"base64", "openssl"}, bare...), "sh", true},
		"no gzip":           {append([]string{"gzip"}, bare...), "sh", true},
		"no cksum":          {append([]string{"cksum"}, bare...), "sh", false},
		"no setsid":         {append([]string{"setsid"}, bare...), "sh", true},
	}
	all := string(allBytes())
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"/bin/dash"}, agent, Options{}, "PATH="+toolsWithout(t, tc.missing...))
			if r.serving().info.Server != tc.server {
				t.Fatalf("server: got %s, want %s", r.serving().info.Server, tc.server)
			}
			out, errs, res := r.run(t, Step{Script: []byte("cat; echo oops >&2; cd /usr; export A=b; exit 3"), Stdin: []byte(all)})
			if out != all || errs != "oops\n" || res.ExitCode != 3 || !res.Verified() {
				t.Errorf("got %q %q %+v", out, errs, res)
			}
			big := string(noise(30_000))
			if out, _, res := r.run(t, catStdin(big)); out != big || res.Verified() != tc.exact {
				t.Errorf("30,000 bytes: got %d, %+v", len(out), res)
			}
			out, _, res = r.run(t, sh("pwd; echo $A"))
			if out != "/usr\nb\n" || !res.StateSaved {
				t.Errorf("state: got %q %+v", out, res)
			}
			_, res = r.cancelled(t, "echo up; exec sleep 60", 300*time.Millisecond)
			if !res.Cancelled || res.ExitCode < 128 {
				t.Errorf("cancelled: got %+v", res)
			}
		})
	}
}

func TestWithoutAwkOnlyAPlainShellIsCarriedAndTheResultSaysSo(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"/bin/dash"}, agent, Options{}, "PATH="+toolsWithout(t, "perl", "python3", "awk"))
	if _, _, res := r.run(t, sh("cd /usr; export A=\"it's\"")); !res.StateSaved {
		t.Errorf("sh: got %+v", res)
	}
	if _, _, res := r.run(t, Step{Shell: "/bin/bash", Script: []byte("cd /; export A=b")}); res.StateSaved {
		t.Errorf("bash: got %+v", res)
	}
	if out, _, _ := r.run(t, sh(`echo "$PWD $A"`)); out != "/usr it's\n" {
		t.Errorf("carried: got %q", out)
	}
}

func TestUnusableTargetIsABootError(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("yash"); err != nil {
		t.Skip("yash is not installed")
	}
	// yash keeps no invalid UTF-8 in variables, so it cannot carry a script.
	r := newRig(t, []string{"dash"}, agent, Options{Servers: []string{"sh"}, binSh: "yash"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := r.Boot(ctx)
	var boot *BootError
	if !errors.As(err, &boot) || ctx.Err() != nil {
		t.Errorf("got %v", err)
	}
}

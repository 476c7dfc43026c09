package shell

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestProgramsAreAnswered(t *testing.T) {
	cases := map[string]struct {
		needs, script, want string
		asks                [][2]string
	}{
		"ssh-keygen": {"ssh-keygen", `rm -f k k.pub; ssh-keygen -q -t ed25519 -f k && ssh-keygen -y -P 'pass phrase' -f k | cut -c1-11`, "ssh-ed25519\n",
			[][2]string{{"empty for no passphrase): ", "pass phrase\r"}, {"again: ", "pass phrase\r"}}},
		"less":    {"less", `seq 200 | less; echo left`, "left\n", [][2]string{{"\n:", " "}, {"98\r\n:", "q"}}},
		"read -s": {"bash", `bash -c 'read -r -s -p "word: " w; echo; echo "${#w}"'`, "\n9\n", [][2]string{{"word: ", "hidden it\r"}}},
		"select":  {"bash", `bash -c 'select x in red green; do echo "is $x"; break; done'`, "is green\n", [][2]string{{"#? ", "2\r"}}},
		"y/N":     {"sh", `printf 'go on [y/N] '; read -r a; [ "$a" = y ] && echo went`, "went\n", [][2]string{{"[y/N] ", "y\r"}}},
	}
	eachServer(t, func(t *testing.T, r *rig) {
		for name, c := range cases {
			if _, err := exec.LookPath(c.needs); err != nil {
				t.Logf("%s is not installed", c.needs)
				continue
			}
			out, _, res := r.converse(t, onTerminal(c.script), c.asks...)
			if !strings.HasSuffix(out, c.want) || res.ExitCode != 0 || !res.Verified() {
				t.Errorf("%s: got %q %+v", name, out, res)
			}
		}
	})
}

// accounts gives a session of a user that only this session's view of /etc has,
// with a password, and with all that sudo allows for it.
const accounts = `set -e
mount --make-rprivate /
mkdir "$1/etc"
cp -a /etc/. "$1/etc/"
mount --bind "$1/etc" /etc
echo 'ssmrun-test:x:54321:54321::/:/bin/sh' >>/etc/passwd
echo 'ssmrun-test:x:54321:' >>/etc/group
echo 'ssmrun-test:!:19000:0:99999:7:::' >>/etc/shadow
echo 'ssmrun-test:First-Word-71c2' | chpasswd
echo 'ssmrun-test ALL=(ALL) ALL' >/etc/sudoers
chmod 440 /etc/sudoers
rm -rf /etc/sudoers.d/*
cd /
exec setpriv --reuid 54321 --regid 54321 --clear-groups dash`

func TestPasswdAndSudoAreAnswered(t *testing.T) {
	for _, name := range []string{"unshare", "setpriv", "sudo", "passwd", "chpasswd"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	if os.Getuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("a mount namespace of its own, with another /etc, takes root")
	}
	for _, server := range []string{"perl", "python3", "sh"} {
		t.Run(server, func(t *testing.T) {
			r := boot(t, []string{"unshare", "-m", "sh", "-c", accounts, "sh", t.TempDir()}, agent, Options{Servers: []string{server}},
				"PATH="+filepath.Dir("/usr/bin/x")+":/bin:/usr/sbin:/sbin")
			_, errs, res := r.run(t, Step{Script: []byte("id -u"), User: "root"})
			if res.ExitCode != 1 || !strings.Contains(errs, "sudo: a password is required") {
				t.Errorf("sudo that may not ask: %q %+v", errs, res)
			}
			root := Step{Script: []byte("id -u; [ -t 0 ] && echo terminal"), User: "root", Terminal: true}
			out, _, res := r.converse(t, root, [2]string{"password", "First-Word-71c2\r"})
			if !strings.HasSuffix(out, "\n0\nterminal\n") || strings.Contains(out, "First") || res.ExitCode != 0 {
				t.Errorf("sudo: %q %+v", out, res)
			}
			out, _, res = r.converse(t, onTerminal("passwd"), [2]string{"urrent password: ", "First-Word-71c2\r"},
				[2]string{"New password: ", "Other-Word-88fa\r"}, [2]string{"Retype new password: ", "Other-Word-88fa\r"})
			if !strings.Contains(out, "updated successfully") || strings.Contains(out, "Word") || res.ExitCode != 0 {
				t.Errorf("passwd: %q %+v", out, res)
			}
		})
	}
}

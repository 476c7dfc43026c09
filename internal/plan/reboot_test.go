package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What restarts a target by default takes the first program that takes the order,
// with sudo where that is needed, and says when there is none.
func TestTheDefaultRestart(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh on this machine")
	}
	say := func(text string) string { return "#!" + sh + "\n" + text + "\n" }
	for _, c := range []struct {
		name, uid string
		programs  map[string]string
		want      string
		fails     bool
	}{
		{"root", "0", map[string]string{"systemctl": say(`echo systemctl "$@"`), "reboot": say("echo reboot")}, "systemctl reboot\n", false},
		{"user", "1000", map[string]string{"systemctl": say("exit 1"), "sudo": say(`echo sudo "$@"`)}, "sudo -n systemctl reboot\n", false},
		{"no systemd", "0", map[string]string{"shutdown": say(`echo shutdown "$@"`), "reboot": say("echo reboot")}, "shutdown -r now\n", false},
		{"refused by the first", "0", map[string]string{"systemctl": say("echo no; exit 1"), "reboot": say("echo reboot")}, "no\nreboot\n", false},
		{"all refuse", "0", map[string]string{"systemctl": say("exit 1"), "shutdown": say("exit 1"), "reboot": say("exit 1")}, "nothing here restarts", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"systemctl", "shutdown", "reboot"} {
				if c.programs[name] == "" { // also where the machine has one, it is not to run
					c.programs[name] = say("exit 1")
				}
			}
			c.programs["id"] = say("echo " + c.uid)
			for name, text := range c.programs {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(sh, "-c", restart)
			cmd.Env = []string{"PATH=" + dir}
			out, err := cmd.CombinedOutput()
			if (err != nil) != c.fails || !strings.HasPrefix(string(out), c.want) {
				t.Errorf("%q, %v; want %q", out, err, c.want)
			}
		})
	}
}

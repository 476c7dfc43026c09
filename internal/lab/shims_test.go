package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// TestShimsActOnTheNode runs every shim by one shell on one node, in order.
func TestShimsActOnTheNode(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) {
		spec.Nodes[0].Env = map[string]string{"ROLE": "web"}
		spec.Nodes[0].Units = map[string]string{"nginx": "active", "cron": "inactive", "broken.service": "failed", "backup.timer": "active"}
		spec.Nodes[0].Files = map[string]string{"bin/hello": "#!/bin/sh\necho hello from $ROLE\n", "etc/app.conf": "x = 1"}
	})
	tests := []struct {
		script string
		code   int
		want   string // stdout and stderr
	}{
		{"systemctl is-active nginx", 0, "active\n"},
		{"systemctl is-active nginx.service cron", 0, "active\ninactive\n"},
		{"systemctl is-active cron", 3, "inactive\n"},
		{"systemctl is-active broken", 3, "failed\n"},
		{"systemctl is-active nosuch", 4, "inactive\n"},
		{"systemctl -q is-active nginx", 0, ""},
		{"systemctl is-failed broken", 0, "failed\n"},
		{"systemctl is-enabled nginx", 0, "enabled\n"},
		{"systemctl is-enabled cron", 1, "disabled\n"},
		{"systemctl is-enabled nosuch", 1, "Failed to get unit file state for nosuch.service: No such file or directory\n"},
		{"systemctl start nosuch", 5, "Failed to start nosuch.service: Unit nosuch.service not found.\n"},
		{"systemctl restart nosuch", 5, "Failed to restart nosuch.service: Unit nosuch.service not found.\n"},
		{"systemctl stop nosuch", 5, "Failed to stop nosuch.service: Unit nosuch.service not loaded.\n"},
		{"systemctl enable nosuch", 1, "Failed to enable unit: Unit file nosuch.service does not exist.\n"},
		{"systemctl status nosuch", 4, "Unit nosuch.service could not be found.\n"},
		{"systemctl stop nginx && systemctl is-active nginx", 3, "inactive\n"},
		{"systemctl status nginx | head -3 | cut -c-28; systemctl status nginx >/dev/null", 3, "○ nginx.service - nginx\n     Loaded: loaded (/usr/li\n     Active: inactive (dead)\n"},
		{"systemctl start nginx && systemctl is-active nginx", 0, "active\n"},
		{"sudo systemctl restart nginx; systemctl status nginx >/dev/null", 0, ""},
		{"systemctl enable --now cron && systemctl is-active cron && systemctl is-enabled cron", 0, "active\nenabled\n"},
		{"systemctl disable --now cron; systemctl is-active cron", 3, "inactive\n"},
		{"systemctl show nginx -p ActiveState --value; systemctl show nosuch -p LoadState,ActiveState", 0, "active\nLoadState=not-found\nActiveState=inactive\n"},
		{"systemctl is-active backup.timer", 0, "active\n"},
		{"systemctl is-system-running", 1, "degraded\n"},
		{"systemctl --failed | head -1 | cut -d' ' -f1", 0, "broken.service\n"},
		{"systemctl daemon-reload", 0, ""},
		{"service nginx stop; service nginx status >/dev/null; echo $?; service nginx start", 0, "3\n"},
		{"journalctl -u systemd -n 1 --no-pager | sed 's/.* systemd/systemd/'", 0, "systemd: Started nginx.service.\n"},
		{"logger -t app 'it works'; journalctl -t app | sed 's/.* web/web/'", 0, "web-01 app: it works\n"},
		{"echo from stdin | logger -t app; journalctl -t app -n 1 | sed 's/.*: //'", 0, "from stdin\n"},
		{"hostname; hostname -f; echo $HOSTNAME", 0, "web-01\nweb-01.lab.internal\nweb-01\n"},
		{"uptime -p", 0, "up 0 minutes\n"},
		{"uptime | grep -c 'load average'", 0, "1\n"},
		{"hello; sudo hello; cat etc/app.conf", 0, "hello from web\nhello from web\nx = 1"},
		{"pwd; cd; pwd; echo $TMPDIR", 0, n.home() + "\n" + n.home() + "\n" + n.tmp() + "\n"},
		{"sudo -n true && sudo -E -H -S -u root -- echo ok", 0, "ok\n"},
		{"sudo -nu root echo combined", 0, "combined\n"},
		{"A=1; export A; sudo sh -c 'echo a=$A role=$ROLE'; sudo -E sh -c 'echo a=$A'; sudo A=2 B='x y' sh -c 'echo $A $B'", 0, "a= role=web\na=1\n2 x y\n"},
		{"sudo sh -c 'echo $SUDO_USER $USER $1' sh 'two words'", 0, n.account.name + " root two words\n"},
		{"sudo -i 'echo login; pwd'", 0, "login\n" + n.home() + "\n"},
		{"echo secret | sudo -S cat", 0, "secret\n"},
		{"sudo sh -c 'exit 7'", 7, ""},
		{"sudo nosuchprogram", 1, "sudo: nosuchprogram: command not found\n"},
		{"sudo -u nosuchuser true", 1, "sudo: unknown user nosuchuser\n"},
		{"shutdown -r 12:00", 1, "Failed to parse time specification: 12:00 (the lab knows now and +MINUTES)\n"},
		{"shutdown -r +5 >/dev/null 2>&1; shutdown -c; echo still here", 0, "still here\n"},
	}
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			code, stdout, stderr := l.run(t, n, tt.script)
			if got := stdout + stderr; code != tt.code || got != tt.want {
				t.Errorf("got %d %q, want %d %q", code, got, tt.code, tt.want)
			}
		})
	}
}

func TestShimsAreScriptsOfManyShells(t *testing.T) {
	entries, err := shimFiles.ReadDir("shims")
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"dash", "bash", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		for _, e := range entries {
			text, err := shimFiles.ReadFile("shims/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"-n"}
			if shell == "busybox" {
				args = []string{"sh", "-n"}
			}
			cmd := exec.Command(path, args...)
			cmd.Stdin = strings.NewReader(string(text))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s does not read %s: %v\n%s", shell, e.Name(), err, out)
			}
		}
	}
}

func TestNodesCannotChangeTheirShims(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the shims belong to the same user")
	}
	l, n := oneNode(t, nil)
	_, stdout, _ := l.run(t, n, `p=$(command -v systemctl); echo x >>"$p" || echo refused; rm -f "$p" || echo refused; command -v systemctl >/dev/null && echo there`)
	if stdout != "refused\nrefused\nthere\n" {
		t.Errorf("got %q", stdout)
	}
}

func TestRebootTakesTheNodeDownAndBringsItBack(t *testing.T) {
	l, n := oneNode(t, func(spec *hclspec.Lab) {
		spec.Nodes[0].RebootTime = 50 * time.Millisecond
		spec.Nodes[0].Units = map[string]string{"nginx": "active", "cron": "inactive"}
	})
	boot := func() string {
		t.Helper()
		_, id, _ := l.run(t, n, `test "$SSMRUN_LAB_BOOT_ID" = "$(ssmrun-boot-id)" && sudo ssmrun-boot-id`)
		return strings.TrimSpace(id)
	}
	before := boot()
	l.run(t, n, "systemctl stop nginx; systemctl start cron; setsid sleep 1001 </dev/null >/dev/null 2>&1 &")
	machine := machineBootID(t)

	shell := l.open(t, object{"Target": n.id})
	shell.typeLine("sudo reboot; sleep 60")
	shell.wait()
	eventually(t, "the node is back", n.isOnline)
	after := boot()
	if before == "" || after == "" || before == after {
		t.Errorf("boot id was %q and is %q", before, after)
	}
	if machineBootID(t) != machine {
		t.Error("the machine rebooted")
	}
	if n := l.Processes(); n != 0 {
		t.Errorf("%d processes survived the reboot", n)
	}
	_, units, _ := l.run(t, n, "systemctl is-active nginx cron")
	if units != "active\ninactive\n" {
		t.Errorf("after the reboot the units are %q, want the enabled one alone active", units)
	}
}

func machineBootID(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // not Linux
	}
	return string(text)
}

func TestPoweredOffNodeIsNotConnected(t *testing.T) {
	for _, command := range []string{"poweroff", "halt", "shutdown -h now", "systemctl poweroff"} {
		t.Run(command, func(t *testing.T) {
			l, n := oneNode(t, nil)
			c := l.open(t, runInput(n, command+"; sleep 60"))
			c.wait()
			l.refused(t, "StartSession", object{"Target": n.id}, "TargetNotConnected", n.id)
			answer := l.ssm(t, "DescribeInstanceInformation", object{})
			if got := answer["InstanceInformationList"].([]any)[0].(object)["PingStatus"]; got != "ConnectionLost" {
				t.Errorf("ping status %v, want ConnectionLost", got)
			}
		})
	}
}

func TestLabDoesNotFollowANodesLinks(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, n := oneNode(t, func(spec *hclspec.Lab) { spec.Nodes[0].RebootTime = time.Millisecond })
	code, _, stderr := l.run(t, n, "cd ../state && ln -s "+victim+" boot_id.new && ln -s "+victim+" boot_time.new && ln -s "+victim+" units/x.service")
	if code != 0 {
		t.Fatal(stderr)
	}
	before := n.boot()
	n.goDown(powerRebooting)
	eventually(t, "the node is back", n.isOnline)
	if n.boot() == before {
		t.Error("the boot id did not change")
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "mine" {
		t.Errorf("the lab wrote through a node's link: %q %v", text, err)
	}
}

package plan

import "github.com/ssmrun/ssmrun/internal/hclspec"

// restart asks a POSIX target to restart, by the first of its programs that
// takes the order. A user who is not root needs sudo without a password.
const restart = `PATH=$PATH:/usr/sbin:/sbin
as=
[ "$(id -u)" = 0 ] || as='sudo -n'
for try in 'systemctl reboot' 'shutdown -r now' reboot; do
	command -v "${try%% *}" >/dev/null 2>&1 || continue
	$as $try && exit 0
done
echo "nothing here restarts the machine: neither systemctl, shutdown nor reboot took the order" >&2
exit 1
`

// reboot renders what restarts the target.
func (r *renderer) reboot(decl *hclspec.Reboot) []byte {
	if decl.Command == nil {
		return []byte(restart)
	}
	return r.command(decl.Command)
}

// fitsReboot checks that a session can carry a reboot: the boot id is read and
// the order given through the step server.
func (r *renderer) fitsReboot(step *Step) {
	switch {
	case r.job.Kind == "": // its document is in error
	case r.job.Kind != KindShell:
		r.problems.errorf(step.decl.Reboot.Range, "Step needs a shell session",
			"A target is restarted through its shell, and a session of the %s kind has none. Use a session of the shell kind for step %q.", r.job.Kind, step.Label)
	case r.windows():
		r.problems.errorf(step.decl.Reboot.Range, "Target that cannot be restarted",
			"%s runs Windows, and a reboot step needs a POSIX shell. Leave this target out of the session.", r.job.Target.ID)
	}
}

func displayReboot(v viewer, step *Step) string {
	if decl := step.decl.Reboot; decl.Command != nil {
		return "reboot by " + v.command(decl.Command)
	}
	return "reboot"
}

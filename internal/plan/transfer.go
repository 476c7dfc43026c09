package plan

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// uploadRate is how many bytes of an upload arrive in a second at least:
// incompressible ones, through the agent's terminal, to a target with perl or
// python3. docs/performance.md has what was measured.
const uploadRate = 300 << 10

var (
	fileMode  = regexp.MustCompile(`^[0-7]{3,4}$`)
	fileOwner = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?(:[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?)?$`)
)

// fitsTransfer checks that a session has the shell that carries files.
func (r *renderer) fitsTransfer(step *Step) {
	switch {
	case r.job.Kind != KindShell && r.job.Kind != "":
		r.problems.errorf(step.Range, "Step needs a shell session",
			"Files travel through a shell of the target, and a session of the %s kind has none, so step %q cannot be used here. Use a session of the shell kind.", r.job.Kind, step.Label)
	case r.windows():
		r.problems.errorf(step.Range, "Step needs a POSIX shell",
			"Files travel through a POSIX shell, which Windows targets do not have, so step %q cannot be used here. Leave those targets out.", step.Label)
	}
}

// remotePath reads a path on the target.
func (r *renderer) remotePath(name string, expr hclspec.Expression) string {
	text := r.plainText(name, expr)
	if text == "" {
		r.empty(name, expr)
		return ""
	}
	if !strings.HasPrefix(text, "/") || path.Clean(text) == "/" {
		r.problems.errorf(expr.Range(), "Not an absolute path",
			"%q is %q, and has to name a file or directory on the target from its root, such as /etc/app/app.conf.", name, clipText(text, 200))
		return ""
	}
	return path.Clean(text)
}

// empty complains of a text that is known to be empty or null.
func (r *renderer) empty(name string, expr hclspec.Expression) {
	v, diags := evaluate(expr, r.scope)
	if diags.HasErrors() || isSecret(v) || !v.IsKnown() {
		return
	}
	r.problems.errorf(expr.Range(), "Empty path", "%q is empty. To leave a step out, use \"when\".", name)
}

func (r *renderer) upload(decl *hclspec.Transfer) *Upload {
	u := &Upload{
		Destination: r.remotePath("destination", decl.Destination),
		Mode:        r.plainText("mode", decl.Mode),
		Owner:       r.plainText("owner", decl.Owner),
	}
	u.Replace = attributes{scope: r.scope, problems: r.problems}.boolean("replace", decl.Replace, false)
	if u.Mode != "" && !fileMode.MatchString(u.Mode) {
		r.problems.errorf(decl.Mode.Range(), "Bad mode", "\"mode\" is three or four octal digits in quotes, such as \"0644\", and not %q.", clipText(u.Mode, 60))
	}
	if u.Owner != "" && !fileOwner.MatchString(u.Owner) {
		r.problems.errorf(decl.Owner.Range(), "Bad owner", "\"owner\" is a user, or a user and a group, such as \"root:root\", and not %q.", clipText(u.Owner, 60))
	}
	source := r.plainText("source", decl.Source)
	if source == "" {
		r.empty("source", decl.Source)
		if r.planning() {
			r.pathUnknown("source", decl.Source)
		}
		return u
	}
	tree, err := r.plan.eval.files.Tree(source)
	if err != nil {
		r.problems.errorf(decl.Source.Range(), "Source cannot be read", "It cannot be uploaded: %s.", err)
		return u
	}
	u.Tree = tree
	if tree.Dir && u.Mode != "" {
		r.problems.errorf(decl.Mode.Range(), "Mode of a directory", "%q is a directory, whose files keep the modes they have here. Remove \"mode\".", clipText(source, 200))
	}
	if !tree.Dir && u.Replace {
		r.problems.errorf(decl.Replace.Range(), "Replace without a directory", "%q is a file, which always takes the place of another. Remove \"replace\".", clipText(source, 200))
	}
	return u
}

// pathUnknown complains of the path of a file of this machine that is not known
// at plan.
func (r *renderer) pathUnknown(name string, expr hclspec.Expression) {
	v, diags := evaluate(expr, r.scope)
	if !diags.HasErrors() && !v.IsKnown() && !isSecret(v) && len(r.job.Session.Jobs) > 0 {
		r.problems.add(unknownIn(name, expr, r.scope))
	}
}

func (r *renderer) download(decl *hclspec.Transfer) *Download {
	d := &Download{Source: r.remotePath("source", decl.Source)}
	text := r.plainText("destination", decl.Destination)
	if text == "" {
		r.empty("destination", decl.Destination)
		return d
	}
	at, err := r.plan.eval.files.Path(text)
	if err != nil {
		r.problems.errorf(decl.Destination.Range(), "Bad path", "\"destination\" cannot be used: %s.", err)
	}
	d.Destination = at
	return d
}

// checkDownloads complains of downloads that would overwrite each other.
func (b *builder) checkDownloads(s *Session) {
	for _, step := range append(append([]*Step{}, s.Steps...), s.Finally...) {
		if step.Action != ActionDownload {
			continue
		}
		for _, job := range s.Jobs {
			m := moment{plan: b.plan}
			r := m.renderer(job, m.stepScope(job, step, m.before(job, step)))
			at := r.download(step.decl.Download).Destination
			if at == "" {
				continue // not known, or complained of
			}
			who := job.Address + " step " + step.Label
			if other, taken := b.downloads[at]; taken {
				b.problems.errorf(step.decl.Download.Destination.Range(), "Two downloads to one file",
					"%s and %s would both write %q. Put ${target.id} into the path.", other, who, clipText(at, 200))
				break
			}
			b.downloads[at] = who
		}
	}
}

// uploadSize is how much an upload sends, and how long that takes at most.
func (m moment) uploadSize(job *Job, step *Step) string {
	if step.Action != ActionUpload {
		return ""
	}
	r := m.renderer(job, m.stepScope(job, step, cty.NilVal))
	u := r.upload(step.decl.Upload)
	if len(u.Tree.Entries) == 0 {
		return ""
	}
	size := fmt.Sprintf("%d bytes", u.Tree.Bytes)
	if u.Tree.Bytes >= 1<<20 {
		size = fmt.Sprintf("%.1f MiB", float64(u.Tree.Bytes)/(1<<20))
	}
	takes := time.Duration(float64(u.Tree.Bytes) / uploadRate * float64(time.Second))
	return fmt.Sprintf("%s, at most about %s", size, max(takes, time.Second).Round(time.Second))
}

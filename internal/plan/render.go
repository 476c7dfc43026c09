package plan

import (
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/quote"
)

// renderer turns the expressions of a step into bytes. At plan, what is not
// known yet is left out; during a run it is a problem.
type renderer struct {
	moment
	job      *Job
	scope    *hclspec.Scope
	problems *problems
	secrets  *secrets
}

func (r *renderer) planning() bool { return r.facts == nil }

// value evaluates an expression, collects the secrets that went in and takes
// the marks off. It returns false when there is no value: absent, null,
// mistaken, or at plan not known yet.
func (r *renderer) value(name string, expr hclspec.Expression, want cty.Type) (cty.Value, bool) {
	if expr == nil {
		return cty.NilVal, false
	}
	v, diags := evaluateAs(name, expr, r.scope, want)
	r.problems.extend(diags)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	if isSecret(v) {
		r.secrets.behind(expr, r.scope)
	}
	if !v.IsWhollyKnown() {
		if !r.planning() {
			r.problems.errorf(culprit(expr, r.scope, func(v cty.Value) bool { return !v.IsWhollyKnown() }), "Value not available",
				"%q needs a value that is not there: a sensitive capture is not kept when a run is resumed. Run the step that captures it again.", name)
		}
		return cty.NilVal, false
	}
	v = bare(v)
	return v, !v.IsNull()
}

// plain is value for what may not be sensitive.
func (r *renderer) plain(name string, expr hclspec.Expression, want cty.Type) (cty.Value, bool) {
	if r.secretIn(name, expr) {
		return cty.NilVal, false
	}
	return r.value(name, expr, want)
}

// sent is value for what travels to the target. What a command-kind session
// sends is an argument of StartSession, which CloudTrail and the target's
// process list show.
func (r *renderer) sent(name string, expr hclspec.Expression, want cty.Type) (cty.Value, bool) {
	if r.job.Kind == KindCommand && !r.job.Session.allowSensitive && expr != nil {
		v, diags := evaluate(expr, r.scope)
		if !diags.HasErrors() && isSecret(v) {
			r.problems.errorf(culprit(expr, r.scope, isSecret), "Sensitive value in "+name,
				"Steps of a session of the command kind travel as parameters, which CloudTrail and process lists show, so %q cannot be sensitive. "+
					"Use a session of the shell kind, or say allow_sensitive_parameters = true.", name)
			return cty.NilVal, false
		}
	}
	return r.value(name, expr, want)
}

func (r *renderer) secretIn(name string, expr hclspec.Expression) bool {
	if expr == nil {
		return false
	}
	v, diags := evaluate(expr, r.scope)
	if diags.HasErrors() || !isSecret(v) {
		return false
	}
	r.problems.add(sensitiveIn(name, expr, r.scope))
	return true
}

// text reads a string that may be sensitive, and refuses what no command line,
// variable or file name can carry.
func (r *renderer) text(name string, expr hclspec.Expression, nulOK bool) (string, bool) {
	v, ok := r.sent(name, expr, cty.String)
	if !ok {
		return "", false
	}
	text := v.AsString()
	if !nulOK && strings.IndexByte(text, 0) >= 0 {
		r.nul(name, expr)
		return "", false
	}
	return text, true
}

func (r *renderer) nul(name string, expr hclspec.Expression) {
	r.problems.errorf(expr.Range(), "NUL byte in "+name, "%q has a NUL byte in it, which cannot be part of a command, a variable or a path. Pass such bytes by \"stdin\".", name)
}

// plainText is text for names and paths.
func (r *renderer) plainText(name string, expr hclspec.Expression) string {
	if r.secretIn(name, expr) {
		return ""
	}
	text, _ := r.text(name, expr, false)
	return text
}

// words reads a list of arguments.
func (r *renderer) words(name string, expr hclspec.Expression) ([]string, bool) {
	v, ok := r.sent(name, expr, cty.DynamicPseudoType)
	if !ok {
		return nil, false
	}
	words, ok := textsOf(v)
	if !ok {
		r.problems.errorf(expr.Range(), "Value of the wrong type", "%q has to be a list of strings, without null.", name)
		return nil, false
	}
	for _, word := range words {
		if strings.IndexByte(word, 0) >= 0 {
			r.nul(name, expr)
			return nil, false
		}
	}
	return words, true
}

// work renders a step, but for its condition.
func (r *renderer) work(step *Step) Work {
	w := Work{Action: step.Action}
	decl := step.decl
	r.fits(step)
	switch step.Action {
	case ActionCommand:
		w.Script = r.command(decl.Command)
	case ActionScript:
		w.Script = r.script(decl.Script)
		w.Args, _ = r.words("args", decl.Args)
	case ActionWait:
		w.Wait = r.wait(decl.Wait)
	case ActionApprove:
		if v, ok := r.plain("approve", decl.Approve, cty.String); ok {
			w.Question = v.AsString()
		}
	case ActionLocalCommand:
		w.Argv = r.localCommand(decl.LocalCommand)
	case ActionUpload:
		w.Upload = r.upload(decl.Upload)
		w.User = r.user(decl.User)
	case ActionDownload:
		w.Download = r.download(decl.Download)
		w.User = r.user(decl.User)
	case ActionDocument:
		w.Prompts = r.questions(step)
	case ActionReboot:
		w.Script, w.Shell, w.Env = r.reboot(decl.Reboot), "sh", r.stepEnv(decl)
	}
	if step.Action.hasCommand() {
		w.Shell = r.shell(decl, w)
		w.Env = r.stepEnv(decl)
		w.Dir = r.plainText("dir", decl.Dir)
		w.User = r.user(decl.User)
		if text, ok := r.text("stdin", decl.Stdin, true); ok {
			w.Stdin = []byte(text)
		}
		if step.Action.remote() {
			w.Prompts = r.questions(step)
			r.fitsInput(step)
		}
		r.travels(step, w)
	}
	return w
}

// travels checks that a session of the command kind, which has nothing but a
// command line, can carry what the step asks for.
func (r *renderer) travels(step *Step, w Work) {
	if r.job.Kind != KindCommand || !step.Action.remote() {
		return
	}
	refuse := func(name string, expr hclspec.Expression, why string) {
		r.problems.errorf(expr.Range(), "Step needs a shell session",
			"A session of the command kind %s, so %q cannot be used here. Use a session of the shell kind, or leave it out.", why, name)
	}
	if w.Stdin != nil {
		refuse("stdin", step.decl.Stdin, "has no standard input")
	}
	if step.Terminal && step.decl.TTY != nil {
		refuse("tty", step.decl.TTY, "has no terminal")
	} else if len(step.Prompts) > 0 {
		refuse("prompt", step.Prompts[0].decl.Match, "has no input")
	}
	if w.User != "" {
		refuse("user", step.decl.User, "runs as the user that its document says")
	}
}

// fits checks that a session can carry a step's action.
func (r *renderer) fits(step *Step) {
	if step.uses.tunnel != nil && r.job.Kind != KindPort {
		r.problems.errorf(*step.uses.tunnel, "No tunnel in this session",
			"self.local_port is this machine's end of a tunnel, and a session of the %s kind has none. Name a port document, such as AWS-StartPortForwardingSession.", r.job.Kind)
	}
	if step.Action == ActionDocument {
		r.fitsDocument(step)
	}
	if step.Action == ActionReboot {
		r.fitsReboot(step)
	}
	if step.Action.transfers() {
		r.fitsTransfer(step)
		return
	}
	if step.Action.remote() && r.job.Kind == KindPort {
		r.problems.errorf(step.Range, "Step without a shell",
			"A session of the port kind carries connections and no commands, so step %q cannot send one. Use local_command, or a session of another kind.", step.Label)
		return
	}
	if step.Action.hasCommand() && step.Action.remote() && r.job.Kind != KindDocument && r.windows() {
		r.problems.errorf(step.Range, "No PowerShell yet",
			"%s runs Windows, and this version sends commands to POSIX shells only, so step %q cannot run there. Leave Windows targets out of the session: platform = \"Linux\" in a targets block does.", r.job.Target.ID, step.Label)
		return
	}
	if step.Action.remote() && r.job.Kind == KindDocument {
		r.problems.errorf(step.Range, "Step without a shell",
			"In a session of the %s kind the document runs its own command, so step %q cannot send one. Take the step, or the document, out.", r.job.Kind, step.Label)
	}
}

// shell is what runs a step's text: what the step says, what a script says of
// itself, what the session says.
func (r *renderer) shell(decl *hclspec.Step, w Work) string {
	if shell := r.plainText("shell", decl.Shell); shell != "" {
		return shell
	}
	if program := interpreter(w.Script); w.Action == ActionScript && program != "" && !r.windows() {
		return program
	}
	if r.job.Session.Shell != "" {
		return r.job.Session.Shell
	}
	if r.windows() {
		return "powershell"
	}
	return "sh"
}

func (r *renderer) windows() bool { return r.job.Target.Platform == "Windows" }

// command renders a command: a list becomes one quoted line, a string is a
// script as it stands.
func (r *renderer) command(expr hclspec.Expression) []byte {
	v, ok := r.sent("command", expr, cty.DynamicPseudoType)
	if !ok {
		return r.missing("command", expr)
	}
	if v.Type().IsPrimitiveType() {
		text, _ := textOf(v)
		if strings.IndexByte(text, 0) >= 0 {
			r.nul("command", expr)
			return nil
		}
		if strings.TrimSpace(text) == "" {
			r.problems.errorf(expr.Range(), "Empty command", "\"command\" is empty, so that the step would pass and do nothing. To leave a step out, use \"when\".")
			return nil
		}
		return []byte(text)
	}
	words, ok := r.words("command", expr)
	if !ok {
		return nil
	}
	if len(words) == 0 || words[0] == "" {
		r.problems.errorf(expr.Range(), "Empty command", "\"command\" has to begin with the name of a program.")
		return nil
	}
	line, err := r.quoteLine(words)
	if err != nil {
		r.problems.errorf(expr.Range(), "Command cannot be quoted", "The command %s.", err)
		return nil
	}
	return []byte(line)
}

// missing says that an attribute that a step cannot do without is null.
func (r *renderer) missing(name string, expr hclspec.Expression) []byte {
	if v, diags := evaluate(expr, r.scope); !diags.HasErrors() && v.IsNull() {
		r.problems.errorf(expr.Range(), "Null in "+name, "%q is null. To leave a step out, use \"when\".", name)
	}
	return nil
}

func (r *renderer) quoteLine(words []string) (string, error) {
	if !r.windows() {
		return quote.ShAll(words)
	}
	quoted := make([]string, len(words))
	for i, word := range words {
		var err error
		if quoted[i], err = quote.PowerShell(word); err != nil {
			return "", err
		}
	}
	return "& " + strings.Join(quoted, " "), nil
}

// script returns a file's content, from the snapshot that the plan took.
func (r *renderer) script(expr hclspec.Expression) []byte {
	v, ok := r.plain("script", expr, cty.String)
	if !ok {
		if r.planning() {
			r.scriptUnknown(expr)
		}
		return r.missing("script", expr)
	}
	content, err := r.plan.readScript(v.AsString(), r.planning())
	if err != nil {
		r.problems.errorf(expr.Range(), "Script cannot be read", "The file %q cannot be read: %s. Its path is relative to the runbook's directory.", clipText(v.AsString(), 200), err)
	}
	return content
}

func (r *renderer) scriptUnknown(expr hclspec.Expression) {
	v, diags := evaluate(expr, r.scope)
	if !diags.HasErrors() && !v.IsKnown() && !isSecret(v) && len(r.job.Session.Jobs) > 0 {
		r.problems.add(unknownIn("script", expr, r.scope))
	}
}

func (r *renderer) wait(expr hclspec.Expression) time.Duration {
	v, ok := r.plain("wait", expr, cty.String)
	if !ok {
		r.missing("wait", expr)
		return 0
	}
	d, err := parseDuration(v.AsString())
	if err != nil {
		r.problems.errorf(expr.Range(), "Bad length of time", "In \"wait\", %s.", err)
	}
	return d
}

// localCommand returns what runs on the operator's machine: a list as it is, a
// string through sh.
func (r *renderer) localCommand(expr hclspec.Expression) []string {
	v, ok := r.value("local_command", expr, cty.DynamicPseudoType)
	if !ok {
		r.missing("local_command", expr)
		return nil
	}
	words, ok := textsOf(v)
	switch {
	case !ok || len(words) == 0:
		r.problems.errorf(expr.Range(), "Value of the wrong type", "\"local_command\" has to be a list of strings, without null.")
		return nil
	case strings.Contains(strings.Join(words, ""), "\x00"):
		r.nul("local_command", expr)
		return nil
	case v.Type().IsPrimitiveType():
		return []string{"sh", "-c", words[0]}
	}
	return words
}

// userName is what useradd and AWS accept, in short: it cannot be an option or
// anything that a shell would look at twice.
var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\$?$`)

func (r *renderer) user(expr hclspec.Expression) string {
	user := r.plainText("user", expr)
	if user != "" && !userName.MatchString(user) {
		r.problems.errorf(expr.Range(), "Not a user name", "%q cannot be the name of a user.", clipText(user, 60))
		return ""
	}
	return user
}

package plan

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/quote"
)

// Preview returns what a step does, for people at plan time: parts that are
// not known yet read `(known after step)`, `(known after session)` or `(known
// at run)`, sensitive parts `(sensitive value)`, and the rest is readable.
// Control characters are as the author wrote them.
func (p *Plan) Preview(job *Job, step *Step) string {
	m := moment{plan: p}
	return m.display(job, step)
}

// PreviewSetting returns how a step's action is run where that is not as usual,
// for people at plan time: where, as whom, in which directory, by what, with
// which variables and input of its own. Values that are not known yet or
// sensitive are shown as Preview does; variables are only named.
func (p *Plan) PreviewSetting(job *Job, step *Step) string {
	m := moment{plan: p}
	v := viewer{m.stepScope(job, step, m.before(job, step))}
	decl := step.decl
	var parts []string
	if step.Action == ActionLocalCommand {
		parts = append(parts, "on this machine")
	}
	for _, part := range []struct {
		word string
		expr hclspec.Expression
	}{{"as", decl.User}, {"in", decl.Dir}, {"by", decl.Shell}} {
		if text := v.text(part.expr); text != "" && text != "null" {
			parts = append(parts, part.word+" "+text)
		}
	}
	if step.Terminal {
		parts = append(parts, "on a terminal")
	}
	if names := v.names(decl.Env); len(names) > 0 {
		parts = append(parts, "with "+strings.Join(names, ", ")+" set")
	}
	if size := m.uploadSize(job, step); size != "" {
		parts = append(parts, size)
	}
	if text := v.text(decl.Stdin); text != "" && text != "null" {
		parts = append(parts, "with input")
	}
	return strings.Join(parts, ", ")
}

// names are the attributes of an object, as far as they are known.
func (v viewer) names(expr hclspec.Expression) []string {
	if expr == nil {
		return nil
	}
	value, diags := evaluate(expr, v.scope)
	if diags.HasErrors() || value.IsMarked() || value.IsNull() || !value.IsKnown() || !value.CanIterateElements() {
		return nil
	}
	var names []string
	for key := range value.Elements() {
		if text, ok := textOf(key); ok {
			names = append(names, text)
		}
	}
	return names
}

// display is a step's action for people.
func (m moment) display(job *Job, step *Step) string {
	v := viewer{m.stepScope(job, step, m.before(job, step))}
	decl := step.decl
	switch step.Action {
	case ActionScript:
		text := "script " + v.word(decl.Script)
		if decl.Args != nil {
			text += " " + v.command(decl.Args)
		}
		return text + m.displayAnswers(job, step)
	case ActionWait:
		return "wait " + v.text(decl.Wait)
	case ActionApprove:
		return "approve " + strconv.Quote(v.text(decl.Approve))
	case ActionLocalCommand:
		return v.command(decl.LocalCommand)
	case ActionUpload:
		return "upload " + v.word(decl.Upload.Source) + " to " + v.word(decl.Upload.Destination)
	case ActionDownload:
		return "download " + v.word(decl.Download.Source) + " to " + v.word(decl.Download.Destination)
	case ActionDocument:
		return m.displayDocument(job, step)
	case ActionReboot:
		return displayReboot(v, step)
	}
	return v.command(decl.Command) + m.displayAnswers(job, step)
}

// viewer shows expressions part by part, so that what is known stays readable.
type viewer struct{ scope *hclspec.Scope }

// segment is a stretch of text, or a hole where something is not shown.
type segment struct {
	text string
	hole bool
}

func (v viewer) segments(expr hclspec.Expression) []segment {
	if parts, ok := hclspec.TemplateParts(expr); ok {
		var list []segment
		for _, part := range parts {
			list = append(list, v.segments(part)...)
		}
		return list
	}
	value, diags := evaluate(expr, v.scope)
	if diags.HasErrors() {
		return []segment{{"(not valid)", true}}
	}
	return []segment{v.segment(value, expr)}
}

func (v viewer) segment(value cty.Value, expr hclspec.Expression) segment {
	switch {
	case isSecret(value):
		return segment{masked, true}
	case !value.IsWhollyKnown():
		return segment{placeholder(expr), true}
	case value.IsNull():
		return segment{"null", true}
	}
	if text, ok := textOf(value); ok {
		return segment{text: text}
	}
	return segment{"(" + value.Type().FriendlyName() + ")", true}
}

// text is a template with its holes named.
func (v viewer) text(expr hclspec.Expression) string {
	if expr == nil {
		return ""
	}
	var b strings.Builder
	for _, s := range v.segments(expr) {
		b.WriteString(s.text)
	}
	return b.String()
}

// command is a command: a list as a shell line, a string as it stands.
func (v viewer) command(expr hclspec.Expression) string {
	if expr == nil {
		return ""
	}
	var words []string
	if elements, ok := hclspec.ListElements(expr); ok {
		for _, element := range elements {
			words = append(words, v.word(element))
		}
		return strings.Join(words, " ")
	}
	value, diags := evaluate(expr, v.scope)
	if diags.HasErrors() || value.IsMarked() || value.IsNull() || !value.IsKnown() || !isSequence(value.Type()) {
		return v.text(expr)
	}
	for _, element := range value.Elements() {
		words = append(words, shellWord([]segment{v.segment(element, expr)}))
	}
	return strings.Join(words, " ")
}

func (v viewer) word(expr hclspec.Expression) string { return shellWord(v.segments(expr)) }

// shellWord quotes the text of a word as a shell would have it, holes left as
// they are.
func shellWord(segments []segment) string {
	var all strings.Builder
	safe, holes := true, false
	for _, s := range segments {
		all.WriteString(s.text)
		holes = holes || s.hole
		safe = safe && (s.hole || readable(s.text))
	}
	switch {
	case !holes:
		if quoted, err := quote.Sh(all.String()); err == nil {
			return quoted
		}
	case safe:
		return all.String()
	}
	return "'" + strings.ReplaceAll(all.String(), "'", `'\''`) + "'"
}

// readable reports whether text beside a hole needs no quotes to be read as
// part of one word.
func readable(text string) bool {
	text = strings.ReplaceAll(text, "=", "")
	quoted, err := quote.Sh(text)
	return text == "" || (err == nil && quoted == text)
}

// placeholder stands for a value that is not known at plan: it names the last
// of what must have happened.
func placeholder(expr hclspec.Expression) string {
	switch {
	case refersTo(expr, "step", "job"):
		return "(known after step)"
	case refersTo(expr, "session"):
		return "(known after session)"
	case refersTo(expr, "run"):
		return "(known at run)"
	case refersTo(expr, "target"):
		return "(known for each target)"
	}
	return "(known at run)"
}

package plan

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// maxAnswerLine is the most bytes of a line that terminals take: macOS's limit is
// 1024, and Linux cuts what is over 4095 without a word.
const maxAnswerLine = 1000

// shortestSecret is the shortest sensitive text that is masked in output.
const shortestSecret = 4

func (a attributes) prompts(decls []*hclspec.Prompt) []Prompt {
	var list []Prompt
	for _, decl := range decls {
		list = append(list, Prompt{
			Timeout:  a.timeout("timeout", decl.Timeout, 0),
			Optional: a.boolean("optional", decl.Optional, false),
			Repeat:   a.boolean("repeat", decl.Repeat, false),
			Enter:    a.boolean("enter", decl.Enter, true),
			decl:     decl,
		})
	}
	return list
}

// fitsDocument checks that a session can run a step without an action, and that
// something will say whether the step passed.
func (r *renderer) fitsDocument(step *Step) {
	if r.job.Kind == "" {
		return // its document is in error
	}
	if r.job.Kind != KindDocument {
		r.problems.errorf(step.Range, "Step without an action",
			"Only a document that carries its own command runs without one, and this session is of the %s kind. Give step %q a command, script, wait, approve, local_command or reboot.", r.job.Kind, step.Label)
		return
	}
	decl := step.decl
	expect := decl.Expect
	judged := len(decl.Asserts) > 0 || decl.Retry != nil && decl.Retry.Until != nil ||
		expect != nil && (expect.ExitCode != nil || len(expect.Stdout)+len(expect.Stderr) > 0)
	if !judged {
		r.problems.errorf(step.Range, "Step without an expectation",
			"A document's command has no exit code, so nothing would say whether step %q passed. Expect what it prints when it went well, such as expect { stdout { contains = \"done\" } }; or exit_code = \"any\" to take whatever happens.", step.Label)
	}
	doc, ok := r.plan.Documents[DocumentRef{r.job.Target.Provider, r.job.Document}]
	if ok && doc.SessionType == "NonInteractiveCommands" && len(decl.Prompts) > 0 {
		r.problems.errorf(decl.Prompts[0].Range, "No terminal here",
			"%s is of session type %s, whose commands have no terminal and no input. Use a document of type InteractiveCommands.", doc.Name, doc.SessionType)
	}
	if expect == nil || expect.ExitCode == nil {
		return
	}
	v, diags := evaluate(expect.ExitCode, r.scope)
	if !ok || diags.HasErrors() || doc.SessionType == "NonInteractiveCommands" || !v.IsWhollyKnown() || isSecret(v) {
		return
	}
	if text, ok := textOf(v); !ok || text != "any" {
		r.problems.errorf(expect.ExitCode.Range(), "No exit code here",
			"%s is of session type %s, which gives no exit code. Expect something of the output, or exit_code = \"any\".", doc.Name, doc.SessionType)
	}
}

// fitsInput checks a step whose input is given while it runs.
func (r *renderer) fitsInput(step *Step) {
	if decl := step.decl; decl.Stdin != nil && (step.Terminal || len(step.Prompts) > 0) {
		r.problems.errorf(decl.Stdin.Range(), "Two inputs",
			"The input of a step with a terminal or with prompts is what they answer, so \"stdin\" has no meaning beside them. Remove one of the two.")
	}
}

// questions renders a step's prompts.
func (r *renderer) questions(step *Step) []Question {
	var list []Question
	for _, prompt := range step.Prompts {
		q := Question{Match: r.match(prompt.decl.Match), Late: refersTo(prompt.decl.Answer, "self")}
		if !q.Late {
			q.Answer = r.answer(step, prompt)
		}
		list = append(list, q)
	}
	return list
}

// match reads a prompt's pattern. One that is found in nothing at all would be
// answered before anything is asked.
func (r *renderer) match(expr hclspec.Expression) string {
	v, ok := r.plain("match", expr, cty.String)
	if !ok {
		r.missing("match", expr)
		return ""
	}
	text := v.AsString()
	pattern, err := regexp.Compile(text)
	switch {
	case err != nil:
		r.problems.errorf(expr.Range(), "Bad pattern", "%s is no regular expression of RE2: %s.", shown(v), err)
	case pattern.MatchString(""):
		r.problems.errorf(expr.Range(), "Pattern that is always found", "%s matches the empty text, so it would be found before anything is asked. Write what the prompt says.", shown(v))
	}
	return text
}

func (r *renderer) answer(step *Step, prompt Prompt) []byte {
	expr := prompt.decl.Answer
	v, diags := evaluate(expr, r.scope)
	secret := !diags.HasErrors() && isSecret(v)
	v, ok := r.value("answer", expr, cty.String)
	if !ok {
		r.missing("answer", expr)
		return nil
	}
	if why := unanswerable(v.AsString(), secret && !step.Sensitive); why != "" {
		r.problems.errorf(expr.Range(), "Answer that cannot be given", "The answer %s.", why)
		return nil
	}
	return step.typed(v.AsString(), prompt.Enter)
}

// unanswerable says why a text is no answer. A secret one must be such that it is
// masked when the terminal shows it.
func unanswerable(text string, secret bool) string {
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > maxAnswerLine {
			return fmt.Sprintf("has a line of %d bytes, and a terminal may take no more than %d. Shorten it", len(line), maxAnswerLine)
		}
	}
	if !secret || text == "" {
		return ""
	}
	if len(strings.TrimSpace(text)) < shortestSecret || text == "true" || text == "false" || text == "null" {
		return fmt.Sprintf("is sensitive and too short or too ordinary to be masked when the terminal shows it: say sensitive = true for the step, so that none of its output is kept, or take one of at least %d characters", shortestSecret)
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "is sensitive and has a control character in it, which the terminal shows in another form: say sensitive = true for the step, or take the character out"
	}
	return ""
}

// typed is a text as a keyboard gives it: the key Enter is a carriage return. A
// command without a terminal reads lines.
func (s *Step) typed(text string, enter bool) []byte {
	key := "\r"
	if s.Action.remote() && !s.Terminal {
		key = "\n"
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", key)
	if enter {
		text += key
	}
	return []byte(text)
}

// rehearseAnswers tries the answers that depend on the output.
func (r *renderer) rehearseAnswers(step *Step) {
	for _, prompt := range step.Prompts {
		if refersTo(prompt.decl.Answer, "self") {
			r.value("answer", prompt.decl.Answer, cty.String)
		}
	}
}

// Answer renders an answer that depends on what the program wrote so far, and the
// secrets in it. With errors among the diagnostics there is none. It must not
// run while stdout is written to.
func (p *Plan) Answer(job *Job, step *Step, prompt int, facts *Facts, stdout *Recording) (answer []byte, conceal []string, diags hclspec.Diagnostics) {
	j := &judgement{
		moment: moment{plan: p, facts: facts}, job: job, step: step, result: Result{Stdout: stdout, Stderr: &Recording{}},
		problems: &problems{}, secrets: &secrets{}, captured: map[string]cty.Value{},
	}
	expr := step.Prompts[prompt].decl.Answer
	v, ok := j.evaluate("answer", expr, cty.String)
	switch {
	case !ok:
	case bare(v).IsNull():
		j.problems.errorf(expr.Range(), "Null in answer", "\"answer\" is null. An answer of nothing but Enter is \"\".")
	default:
		secret := isSecret(v)
		if secret {
			j.secrets.behind(expr, j.scope())
			j.secrets.in(v)
		}
		text := bare(v).AsString()
		if why := unanswerable(text, secret && !step.Sensitive); why != "" {
			j.problems.errorf(expr.Range(), "Answer that cannot be given", "The answer %s.", why)
			break
		}
		answer = step.typed(text, step.Prompts[prompt].Enter)
	}
	return answer, j.secrets.list, j.problems.list
}

// prompts are what became of a step's prompts: one that is required has to be
// asked, and in time.
func (j *judgement) prompts() {
	for i, prompt := range j.step.Prompts {
		if i >= len(j.result.Prompts) {
			return
		}
		result := j.result.Prompts[i]
		e := Expectation{
			Name: "prompt", Expected: j.plan.eval.source(prompt.decl.Match.Range()) + " to be asked", Got: "asked",
			Passed: result.Asked > 0 || prompt.Optional, Range: prompt.decl.Match.Range(),
		}
		switch {
		case result.Asked > 1:
			e.Got = fmt.Sprintf("asked %d times", result.Asked)
		case result.Asked == 1:
		case result.Late:
			e.Got = "not asked in " + roundedTime(j.result.Duration) + j.screen()
		default:
			e.Got = "not asked"
			if !e.Passed {
				e.Got += j.screen()
			}
		}
		j.expectations = append(j.expectations, e)
	}
}

// screen is what was on the terminal at the end.
func (j *judgement) screen() string {
	switch {
	case j.step.Sensitive:
		return "; the screen is not shown, as the step is sensitive"
	case j.result.Screen == "":
		return "; there was nothing on the screen"
	}
	return "; the screen showed:\n" + j.result.Screen
}

// displayDocument is a run of a document's own command, for people: what it is
// given and what is answered.
func (m moment) displayDocument(job *Job, step *Step) string {
	var b strings.Builder
	b.WriteString("run " + job.Document)
	own := viewer{m.jobScope(job)}
	expr := job.Session.block.decl.Parameters
	word := " with "
	for _, name := range parameterNames(expr) {
		if text, ok := own.parameter(expr, name); ok {
			b.WriteString(word + name + " = " + strconv.Quote(text))
			word = ", "
		}
	}
	return b.String() + m.displayAnswers(job, step)
}

// displayAnswers is what is answered, a line each.
func (m moment) displayAnswers(job *Job, step *Step) string {
	var b strings.Builder
	v := viewer{m.stepScope(job, step, unknownSelf(step))}
	for _, prompt := range step.Prompts {
		b.WriteString("\nanswer " + strconv.Quote(v.text(prompt.decl.Match)) + " with ")
		if segments := v.segments(prompt.decl.Answer); len(segments) == 1 && segments[0].hole {
			b.WriteString(segments[0].text)
		} else {
			b.WriteString(strconv.Quote(v.text(prompt.decl.Answer)))
		}
		var how []string
		if prompt.Optional {
			how = append(how, "if asked")
		}
		if prompt.Repeat {
			how = append(how, "each time")
		}
		if prompt.Timeout > 0 {
			how = append(how, "within "+prompt.Timeout.String())
		}
		if len(how) > 0 {
			b.WriteString(" (" + strings.Join(how, ", ") + ")")
		}
	}
	return b.String()
}

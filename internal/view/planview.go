package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// manyTargets is how many targets of a wave get a line each; more share lines.
const manyTargets = 20

// WritePlan shows what a plan will do: every session with its rollout, every
// target of every wave, every command as it is rendered for the targets, what
// is left out, and what it takes of StartSession's quota.
func WritePlan(w io.Writer, p *plan.Plan, opts Options) error {
	v := &planView{printer: printer{w: w, opts: opts}, plan: p, preview: p.Preview, how: p.PreviewSetting, tunnel: p.PreviewTunnel}
	return v.show()
}

type planView struct {
	printer
	plan    *plan.Plan
	preview func(*plan.Job, *plan.Step) string
	how     func(*plan.Job, *plan.Step) string
	tunnel  func(*plan.Job) string
}

func (v *planView) show() error {
	for _, s := range shown(v.plan) {
		v.session(s)
	}
	v.missing()
	v.warnings()
	v.total()
	return v.err
}

func (v *planView) session(s *plan.Session) {
	o := v.opts
	if len(s.Jobs) == 0 {
		v.line(o.paint(bold, Sanitize(s.Address)+": no targets, nothing to run"))
		v.line()
		return
	}
	list := waves(s)
	head := fmt.Sprintf("%s: %s in %s", Sanitize(s.Address), count(len(s.Jobs), "target"), count(len(list), "wave"))
	v.line(o.paint(bold, head))
	v.settings(s)
	own := newStarts(v.plan, v.opts)
	own.add(s)
	for i, wave := range list {
		v.wave(s, i, len(list), wave)
	}
	for _, st := range s.Steps {
		v.step(s, st)
	}
	for _, st := range s.Finally {
		v.step(s, st)
	}
	if t := own.time(); t >= time.Second {
		v.line("  starting takes at least ", duration(t), ": ", count(own.total, "StartSession call"), " within the quota")
	}
	v.line()
}

// settings are the lines about a session as a whole, aligned.
func (v *planView) settings(s *plan.Session) {
	var rows [][2]string
	row := func(name, value string) {
		if value != "" {
			rows = append(rows, [2]string{name, value})
		}
	}
	if s.Reason != "" {
		row("reason", Sanitize(s.Reason))
	}
	row("document", v.documents(s))
	row("tunnel", v.tunnels(s))
	if required, keys := v.plan.Encryption(s); required {
		text := "required"
		if len(keys) > 0 {
			text += ", with KMS key " + Sanitize(strings.Join(keys, " or "))
		}
		row("encrypted", text)
	}
	row("helper", helperText(s))
	row("rollout", rolloutText(s.Rollout, len(waves(s)), len(s.Jobs)))
	if s.Timeout > 0 {
		row("timeout", setting(s.Timeout)+" a job")
	}
	if s.When != "" {
		row("when", Sanitize(s.When))
	}
	if len(s.DependsOn) > 0 {
		after := "after " + Sanitize(strings.Join(s.DependsOn, ", "))
		if s.AfterEnded {
			after += ", also when it did not pass"
		}
		row("starts", after)
	}
	for _, r := range rows {
		v.line(fmt.Sprintf("  %-9s %s", r[0], r[1]))
	}
}

// helperText says what it costs that a session's step server is sent to it.
func helperText(s *plan.Session) string {
	shells := func(j *plan.Job) bool { return j.Kind == plan.KindShell }
	if !s.Helper || !slices.ContainsFunc(s.Jobs, shells) {
		return ""
	}
	return fmt.Sprintf("a step server of %d KiB is sent to each target first, at most about %s", plan.HelperBytes>>10, plan.HelperTakes())
}

// documents says by which documents, and as which kind, a session's jobs go.
func (v *planView) documents(s *plan.Session) string {
	var ways []string
	jobs := map[string]int{}
	for _, j := range s.Jobs {
		way := cmp.Or(Sanitize(j.Document), "the account's shell preferences") + ", " + string(kindOf(j)) + " kind"
		if d, ok := v.plan.Documents[plan.DocumentRef{Provider: j.Target.Provider, Name: j.Document}]; ok {
			way += documentText(d)
		}
		if jobs[way] == 0 {
			ways = append(ways, way)
		}
		jobs[way]++
	}
	if len(ways) > 1 {
		for i, way := range ways {
			ways[i] = fmt.Sprintf("%s (%s)", way, count(jobs[way], "target"))
		}
	}
	return strings.Join(ways, "\n            ")
}

// tunnels says which ports a session of the port kind joins.
func (v *planView) tunnels(s *plan.Session) string {
	var texts []string
	for _, j := range s.Jobs {
		if text := Sanitize(v.tunnel(j)); text != "" && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	const most = 5
	if len(texts) > most {
		texts = append(texts[:most], fmt.Sprintf("and %d more", len(texts)-most))
	}
	return strings.Join(texts, "\n            ")
}

func documentText(d plan.Document) string {
	var facts []string
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, name+Sanitize(value))
		}
	}
	add("", d.SessionType)
	add("version ", d.Version)
	add("run as ", d.RunAs)
	add("profile ", d.ShellProfile)
	add("KMS ", d.KMSKeyID)
	add("logs to ", strings.Join(d.LogSinks, " and "))
	if d.IdleTimeout > 0 {
		add("idle ", setting(d.IdleTimeout))
	}
	if d.MaxSessionTime > 0 {
		add("at most ", setting(d.MaxSessionTime))
	}
	if len(facts) == 0 {
		return ""
	}
	return ": " + strings.Join(facts, ", ")
}

func rolloutText(r plan.Rollout, waves, jobs int) string {
	var parts []string
	if waves > 1 {
		sizes := make([]string, len(r.Waves))
		for i, n := range r.Waves {
			sizes[i] = fmt.Sprint(n)
		}
		parts = append(parts, "waves up to "+strings.Join(sizes, ", ")+" targets")
	}
	if r.MaxParallel > 0 {
		parts = append(parts, fmt.Sprintf("at most %d at a time", r.MaxParallel))
	}
	switch {
	case r.MaxFailures == 0:
		parts = append(parts, "halts at the first failure")
	case r.MaxFailures > 0 && r.MaxFailures < jobs:
		parts = append(parts, fmt.Sprintf("halts when more than %d failed", r.MaxFailures))
	}
	if r.Pause > 0 {
		parts = append(parts, setting(r.Pause)+" between waves")
	}
	if r.ApproveWaves {
		parts = append(parts, "asks before each wave")
	}
	text := strings.Join(parts, ", ")
	if r.Implied && text != "" {
		text += " (no rollout block: the default)"
	}
	return text
}

// wave names every target of a wave.
func (v *planView) wave(s *plan.Session, i, of int, jobs []*plan.Job) {
	if of > 1 {
		v.line(fmt.Sprintf("  wave %d of %d: %s", i+1, of, count(len(jobs), "target")))
	} else {
		v.line("  targets")
	}
	if len(jobs) > manyTargets {
		words := make([]string, len(jobs))
		for i, j := range jobs {
			words[i] = whoFully(j.Target.ID, j.Target.Name)
			if !j.Target.Online {
				words[i] += " OFFLINE"
			}
		}
		v.line(list("    ", words, v.opts.width()))
		return
	}
	rows := make([][]string, len(jobs))
	for i, j := range jobs {
		t := j.Target
		state := ""
		if !t.Online {
			state = v.opts.paint(yellow, "OFFLINE ("+cmp.Or(Sanitize(t.PingStatus), "not connected")+")")
		}
		rows[i] = []string{"    " + Sanitize(t.ID), Sanitize(t.Name), Sanitize(t.Platform), Sanitize(t.IP), Sanitize(t.Region), Sanitize(t.Account), state}
	}
	for _, row := range table(rows) {
		v.line(row)
	}
}

// step shows a step's command once for all targets for which it is the same.
func (v *planView) step(s *plan.Session, st *plan.Step) {
	word := "step"
	if st.Finally {
		word = "finally"
	}
	v.line(fmt.Sprintf("  %s %s", word, v.opts.paint(bold, Sanitize(st.Label))), stepSettings(st))
	type work struct{ how, text string }
	var order []work
	by := map[work][]*plan.Job{}
	for _, j := range s.Jobs {
		w := work{v.how(j, st), v.preview(j, st)}
		if by[w] == nil {
			order = append(order, w)
		}
		by[w] = append(by[w], j)
	}
	for _, w := range order {
		if len(order) > 1 {
			words := make([]string, len(by[w]))
			for i, j := range by[w] {
				words[i] = who(j.Target.ID, j.Target.Name)
			}
			v.line(list("    on ", words, v.opts.width()))
		}
		if w.how != "" {
			v.line(v.opts.paint(dim, indentLines("("+w.how+")", "      ")))
		}
		if w.text != "" {
			v.line(indentLines(w.text, "      "))
		}
	}
}

func stepSettings(st *plan.Step) string {
	var parts []string
	if st.When != "" {
		parts = append(parts, "when "+Sanitize(st.When))
	}
	if st.Timeout > 0 {
		parts = append(parts, "timeout "+setting(st.Timeout))
	}
	if st.Retry.Attempts > 1 {
		parts = append(parts, fmt.Sprintf("up to %d attempts", st.Retry.Attempts))
	}
	if st.OnFailureContinue {
		parts = append(parts, "goes on when it fails")
	}
	if st.Idempotent {
		parts = append(parts, "idempotent")
	}
	if st.Sensitive {
		parts = append(parts, "output is not kept")
	}
	if len(parts) == 0 {
		return ""
	}
	return "  (" + strings.Join(parts, ", ") + ")"
}

// missing lists what selectors found and left out.
func (v *planView) missing() {
	some := false
	for _, f := range v.plan.Found {
		for _, m := range f.Missing {
			if !some {
				v.line(v.opts.paint(bold, "Left out"))
				some = true
			}
			v.line("  ", Sanitize(f.Address), ": ", Sanitize(m.ID), ": ", Sanitize(m.Why))
		}
	}
	if some {
		v.line()
	}
}

func (v *planView) warnings() {
	for _, d := range v.plan.Warnings {
		text := v.opts.paint(yellow, "Warning: ") + Sanitize(d.Summary)
		if d.Subject != nil {
			text += fmt.Sprintf(" (%s:%d)", Sanitize(d.Subject.Filename), d.Subject.Start.Line)
		}
		v.line(text)
		if d.Detail != "" {
			v.line(indentLines(d.Detail, "  "))
		}
		v.line()
	}
}

func (v *planView) total() {
	p := v.plan
	if Jobs(p) == 0 {
		v.line("Plan: nothing to run.")
		return
	}
	total, offline := targets(p)
	all := newStarts(p, v.opts)
	for _, s := range p.Sessions {
		all.add(s)
	}
	v.line(v.opts.paint(bold, "Plan:"), " ", count(len(shown(p)), "session"), ", ", count(Jobs(p), "job"),
		" on ", count(total, "target"), ".")
	if offline > 0 {
		v.line(v.opts.paint(yellow, count(offline, "target")), " offline: planned, and unreachable unless that changes.")
	}
	if t := all.time(); t >= time.Second {
		v.line(count(all.total, "StartSession call"), " take at least ", duration(t), " at the planned rate (AWS allows 3 a second per account and region).")
	}
}

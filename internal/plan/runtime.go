package plan

import "github.com/ssmrun/ssmrun/internal/hclspec"

// PrepareJob renders what a job sends before its first step: whether it runs
// at all, the reason, the parameters and the environment. Facts must have
// every job of the sessions it depends on.
func (p *Plan) PrepareJob(job *Job, facts *Facts) (Start, hclspec.Diagnostics) {
	return Start{}, nil
}

// Prepare renders one attempt at a step from what is known so far. It answers
// the same for the same facts. Attempts count from 1.
func (p *Plan) Prepare(job *Job, step *Step, attempt int, facts *Facts) (Work, hclspec.Diagnostics) {
	return Work{Action: step.Action}, nil
}

// Record returns the writers for the two streams of one attempt, to be handed
// to Judge in its Result. They keep in memory only what the step's
// expectations, captures and assertions may need; what is expected is worked
// out here, so that a stream of any length can be compared as it goes by.
func (p *Plan) Record(job *Job, step *Step, facts *Facts) (stdout, stderr *Recording) {
	return &Recording{}, &Recording{}
}

// Judge gives the verdict on an attempt: every expectation, then captures,
// assertions and until.
func (p *Plan) Judge(job *Job, step *Step, facts *Facts, result Result) Verdict {
	return Verdict{}
}

// Conclude evaluates checks and outputs once every job has ended.
func (p *Plan) Conclude(facts *Facts) Conclusion { return Conclusion{} }

// Preview returns what a step does, for people at plan time: parts that are
// not known yet read `(known after step)` and the like, sensitive parts
// `(sensitive value)`.
func (p *Plan) Preview(job *Job, step *Step) string { return "" }

// JSON returns the plan as a document for programs, the same bytes for the
// same plan. There is no secret in it, nor anything derived from one.
func (p *Plan) JSON() ([]byte, error) { return []byte("{}"), nil }

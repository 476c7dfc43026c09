package view

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

// maxFolded is how much of each stream of a group is shown.
const maxFolded = 64 << 10

// NewFold returns the view for one command on many targets: while it runs only
// trouble and waves are told, then each output is shown once, with the targets
// that gave it, then the summary.
func NewFold(w io.Writer, opts Options) View {
	p := NewPlain(w, opts).(*plainView)
	p.silent = true
	return &foldView{plainView: p, fold: newFold(p.printer)}
}

type foldView struct {
	*plainView
	fold *fold
}

func (v *foldView) Record(rec event.Record) {
	v.fold.record(rec)
	if _, last := rec.Fact.(event.RunSummary); last {
		v.line()
		v.fold.write()
	}
	v.plainView.Record(rec)
}

// WriteFold shows the outputs of a run's steps, equal ones once with the
// targets that gave them. Options.Output gives it the bytes.
func WriteFold(w io.Writer, records iter.Seq2[event.Record, error], opts Options) error {
	f := newFold(&printer{w: w, opts: opts})
	for rec, err := range records {
		if err != nil {
			return err
		}
		f.record(rec)
	}
	f.write()
	return f.err
}

// fold gathers the last attempts of steps by what they gave.
type fold struct {
	*printer
	groups map[foldKey]*foldGroup
	order  []*foldGroup
	steps  map[string]int // in the order they were first seen
}

type foldKey struct {
	session, step  string
	outcome        outcome.Outcome
	exit           int
	stdout, stderr string // digests
}

type foldGroup struct {
	foldKey
	rank    int // of the step
	first   event.StepComplete
	targets []string
}

func newFold(p *printer) *fold {
	return &fold{printer: p, groups: map[foldKey]*foldGroup{}, steps: map[string]int{}}
}

func (f *fold) record(rec event.Record) {
	done, ok := rec.Fact.(event.StepComplete)
	if !ok || !done.Final || done.Outcome == outcome.Skipped {
		return
	}
	k := foldKey{
		session: done.Session,
		step:    done.Step.Step,
		outcome: done.Outcome,
		exit:    -1,
		stdout:  f.digest(done, "stdout", done.StdoutSHA256, done.StdoutKept),
		stderr:  f.digest(done, "stderr", done.StderrSHA256, done.StderrKept),
	}
	if done.ExitCode != nil {
		k.exit = *done.ExitCode
	}
	g := f.groups[k]
	if g == nil {
		name := done.Session + "\x00" + done.Step.Step
		if _, seen := f.steps[name]; !seen {
			f.steps[name] = len(f.steps)
		}
		g = &foldGroup{foldKey: k, rank: f.steps[name], first: done}
		f.groups[k] = g
		f.order = append(f.order, g)
	}
	g.targets = append(g.targets, whoFully(done.Target, done.Step.Name))
}

// digest identifies a stream's bytes: by the record, or by the file.
func (f *fold) digest(done event.StepComplete, stream, sum string, kept int64) string {
	if sum != "" {
		return sum
	}
	if kept == 0 {
		return ""
	}
	file, ok := f.opts.open(done.Step, stream)
	if !ok {
		return done.Address // nothing is known, so it is equal to nothing
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return done.Address
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// write shows the groups: step by step, the largest first.
func (f *fold) write() {
	slices.SortStableFunc(f.order, func(a, b *foldGroup) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(b.targets), len(a.targets)),
			cmp.Compare(a.targets[0], b.targets[0]))
	})
	for i, g := range f.order {
		if i > 0 {
			f.line()
		}
		slices.Sort(g.targets)
		head := f.opts.outcomeText(g.outcome)
		if g.exit > 0 {
			head += fmt.Sprintf(", exit code %d", g.exit)
		}
		if len(f.steps) > 1 {
			head = Sanitize(g.session) + " > " + Sanitize(g.step) + ": " + head
		}
		f.line(f.opts.paint(bold, "=== "+count(len(g.targets), "target")), ": ", head)
		f.line(list("    ", g.targets, f.opts.width()))
		shown := f.stream(g.first, "stdout", g.first.StdoutKept)
		shown = f.stream(g.first, "stderr", g.first.StderrKept) || shown
		if !shown {
			f.line(f.opts.paint(dim, "(no output)"))
		}
	}
}

// stream shows one stream of a group: stdout as it is, stderr behind a `!`.
func (f *fold) stream(done event.StepComplete, stream string, kept int64) bool {
	file, ok := f.opts.open(done.Step, stream)
	if !ok || kept == 0 {
		return false
	}
	defer file.Close()
	prefix := ""
	if stream == "stderr" {
		prefix = strings.TrimPrefix(bar(stream), " ")
	}
	lines := lineSplitter{emit: func(l string) { f.line(prefix, l) }}
	part, _ := io.ReadAll(io.LimitReader(file, maxFolded))
	lines.feed(part)
	lines.end()
	if more := kept - int64(len(part)); more > 0 {
		f.line(f.opts.paint(dim, "... "+size(more)+" more of "+stream+", in the file"))
	}
	return true
}

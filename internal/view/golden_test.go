package view

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/outcome"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a text with testdata/NAME.txt.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", path, diff)
	}
}

// story makes the records of a run, one after the other, and keeps output.
type story struct {
	t       testing.TB
	records []event.Record
	at      time.Time
	dir     string
}

const runID = "20260102T150405-abcdef"

func newStory(t testing.TB) *story {
	return &story{t: t, at: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC), dir: t.TempDir()}
}

func (s *story) add(facts ...event.Fact) {
	for _, f := range facts {
		s.records = append(s.records, event.Record{Seq: uint64(len(s.records) + 1), Time: s.at, RunID: runID, Fact: f})
	}
	s.at = s.at.Add(100 * time.Millisecond)
}

func (s *story) all() iter.Seq2[event.Record, error] {
	return func(yield func(event.Record, error) bool) {
		for _, rec := range s.records {
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func (s *story) options() Options { return Options{Output: s.open, Location: time.UTC, Width: 80} }

func (s *story) file(session, target, step string, attempt int, stream string) string {
	return filepath.Join(s.dir, fmt.Sprintf("%x.%x.%s.%d.%s", session, target, step, attempt, stream))
}

func (s *story) open(session, target string, index int, step string, attempt int, stream string) (*os.File, error) {
	return os.Open(s.file(session, target, step, attempt, stream))
}

// wrote puts text into the file of an attempt's stream, and says so.
func (s *story) wrote(step event.Step, stream, text string) {
	s.t.Helper()
	name := s.file(step.Session, step.Target, step.Step, step.Attempt, stream)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	f.WriteString(text)
	s.add(event.StepOutput{Step: step, Stream: stream, Offset: info.Size(), Length: int64(len(text))})
}

func (s *story) size(step event.Step, stream string) int64 {
	info, err := os.Stat(s.file(step.Session, step.Target, step.Step, step.Attempt, stream))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Size()
}

func job(session, target, name string) event.Job {
	return event.Job{Address: fmt.Sprintf("session.%s[%q]", session, target), Session: session, Target: target, Name: name}
}

func step(j event.Job, label string, attempt int) event.Step {
	return event.Step{Address: j.Address + ".step." + label, Session: j.Session, Target: j.Target, Name: j.Name, Step: label, Attempt: attempt}
}

func (s *story) complete(st event.Step, o outcome.Outcome, code int, more ...func(*event.StepComplete)) {
	f := event.StepComplete{
		Step: st, Outcome: o, ExitCode: &code, DurationMS: 312, Verified: true, Final: true,
		StdoutKept: s.size(st, "stdout"), StderrKept: s.size(st, "stderr"),
	}
	f.StdoutBytes, f.StderrBytes = f.StdoutKept, f.StderrKept
	for _, m := range more {
		m(&f)
	}
	s.add(f)
}

func again(f *event.StepComplete) { f.Final = false }

func noCode(why string) func(*event.StepComplete) {
	return func(f *event.StepComplete) { f.ExitCode, f.Verified, f.Why = nil, false, why }
}

func (s *story) done(j event.Job, o outcome.Outcome, failed, why string) {
	s.add(event.JobComplete{Job: j, Outcome: o, FailedStep: failed, Why: why, DurationMS: 1412})
}

var place = &event.Range{Filename: "web.ssm.hcl", Start: event.Pos{Line: 12, Column: 7}, End: event.Pos{Line: 12, Column: 20}}

// badNight is a run in which everything happens that can.
func badNight(t testing.TB) *story {
	s := newStory(t)
	s.add(event.VersionFact{SSMRun: "0.1.0", UI: event.Version},
		event.RunStart{Runbook: "runbooks/web", Jobs: 9, Directory: ".ssmrun/runs/" + runID})
	s.add(event.WaveStart{Address: "session.restart", Session: "restart", Wave: 1, Of: 2, Targets: []string{"i-1"}})

	one := job("restart", "i-1", "web-01")
	s.add(event.SessionQueued{Job: one, Why: "StartSession quota", WaitSeconds: 12})
	s.add(event.SessionStart{Job: one, Kind: "shell"}, event.SessionReady{Job: one, SessionID: "ops-1", DurationMS: 1204})
	before := step(one, "before", 1)
	s.add(event.StepStart{Step: before, Command: "systemctl is-active nginx"})
	s.wrote(before, "stdout", "act")
	s.wrote(before, "stdout", "ive\n")
	s.add(event.StepCapture{Step: before, Name: "state", Value: []byte(`"active"`)}, event.StepCapture{Step: before, Name: "token", Sensitive: true})
	s.complete(before, outcome.Passed, 0)
	skipped := step(one, "drain", 1)
	s.complete(skipped, outcome.Skipped, 0, noCode("step.before.captures.state == \"inactive\" is false"))
	for attempt := 1; attempt <= 2; attempt++ {
		healthy := step(one, "healthy", attempt)
		s.add(event.StepStart{Step: healthy, Command: "curl -fsS http://localhost/healthz"})
		s.wrote(healthy, "stderr", "curl: (7) Failed to connect to localhost port 80\n")
		s.add(event.StepExpect{Step: healthy, Expectation: "exit_code", Expected: "0", Got: "7", Range: place, Snippet: "    exit_code = 0"},
			event.StepExpect{Step: healthy, Expectation: "within", Expected: "2s", Got: "0.3s", Passed: true})
		if attempt == 1 {
			s.complete(healthy, outcome.Failed, 7, again)
		} else {
			s.complete(healthy, outcome.Failed, 7)
		}
	}
	s.done(one, outcome.Failed, "healthy", "exit_code: expected 0, got 7")
	s.add(event.WaveComplete{Address: "session.restart", Session: "restart", Wave: 1, Of: 2, Outcomes: map[outcome.Outcome]int{outcome.Failed: 1}})
	s.add(event.WavePause{Address: "session.restart", Session: "restart", Wave: 2, Of: 2, DurationMS: 90_000})
	s.add(event.WaveStart{Address: "session.restart", Session: "restart", Wave: 2, Of: 2, Targets: []string{"i-2", "i-3", "i-4", "i-5", "i-6"}})

	evil := job("restart", "i-2", "web\x1b[2J-02\r\n15:04:09  web-99  restart: passed")
	st := step(evil, "before", 1)
	s.wrote(st, "stdout", "\x1b]0;owned\x07 \x1b[31mred\x1b[0m\nRun passed\r\n"+strings.Repeat("line\n", 30)+"no end\xff")
	s.add(event.StepExpect{Step: st, Expectation: "stdout contains", Expected: "\"active\"", Got: "\u202eevil\nsecond line", Range: place})
	s.complete(st, outcome.Failed, 0)
	s.done(evil, outcome.Failed, "before", "")

	lost := job("restart", "i-3", "web-03")
	s.add(event.SessionReconnect{Job: lost, SessionID: "ops-3", Attempt: 1, Cause: "read: connection reset by peer"})
	s.complete(step(lost, "restart", 1), outcome.Unknown, 0, noCode("the channel closed and no end was seen"))
	s.add(event.SessionComplete{Job: lost, SessionID: "ops-3", Error: "TerminateSession: ThrottlingException"})
	s.done(lost, outcome.Unknown, "restart", "the channel closed and no end was seen")

	slow := job("restart", "i-4", "")
	s.complete(step(slow, "restart", 1), outcome.TimedOut, 0, noCode("no end after 60s"))
	s.done(slow, outcome.TimedOut, "restart", "no end after 60s")
	for _, id := range []string{"i-5", "i-6"} {
		gone := job("restart", id, "web-0"+id[2:])
		s.done(gone, outcome.Unreachable, "", "the target is not connected")
	}
	s.add(event.WaveHalted{Address: "session.restart", Session: "restart", Wave: 2, Failures: 6, Budget: 1, Reason: "6 jobs did not pass, 1 allowed"})
	for _, id := range []string{"i-7", "i-8", "i-9"} {
		s.done(job("verify", id, ""), outcome.NotStarted, "", "session.restart halted: 6 jobs did not pass, 1 allowed")
	}
	s.add(event.Approval{Question: "Go on with the next wave?", Approved: false},
		event.LogFact{Severity: "warn", Text: "a line\nand another"},
		event.Diagnostic{Severity: event.SeverityWarning, Summary: "Unusual thing", Detail: "It is unusual.\nDo something.", Range: place, Snippet: "x = 1"})
	s.add(event.CheckComplete{Address: "check.one_version", Outcome: outcome.Unknown, Text: "jobs did not pass", Range: place})
	s.add(event.CheckComplete{Address: "check.other", Outcome: outcome.Failed, Text: "The fleet runs more than one version.", Range: place})
	s.add(event.Outputs{Values: map[string]event.Output{
		"versions": {Value: []byte(`{"i-1":"1.2","i\n2":["a",1e3,null,true,{}]}`)},
		"token":    {Sensitive: true},
		"later":    {},
	}})
	s.add(event.RunSummary{ExitCode: outcome.ExitUnknown, Halted: true, DurationMS: 63_100, Jobs: map[outcome.Outcome]int{
		outcome.Failed: 2, outcome.Unknown: 1, outcome.TimedOut: 1, outcome.Unreachable: 2, outcome.NotStarted: 3}})
	return s
}

func play(t *testing.T, s *story, opts Options, view func(*bytes.Buffer, Options) View) []byte {
	t.Helper()
	var out bytes.Buffer
	v := view(&out, opts)
	for _, rec := range s.records {
		v.Record(rec)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSuffix(line, "\n"); !opts.Color && !safe(line, true) {
			t.Errorf("the line %q is not safe to print", line)
		}
	}
	return out.Bytes()
}

func plain(w *bytes.Buffer, o Options) View { return NewPlain(w, o) }

func TestPlainBadNight(t *testing.T) {
	s := badNight(t)
	golden(t, "plain-bad-night", play(t, s, s.options(), plain))
}

// Targets that are away are one group, whatever their ids and AWS's answers.
func TestWhatIsAwayIsOneGroup(t *testing.T) {
	s := newStory(t)
	s.add(event.RunStart{Runbook: ".", Jobs: 3})
	for i, id := range []string{"i-0a", "i-0b", "i-0c"} {
		why := fmt.Sprintf("start session on %s: TargetNotConnected: %s is not connected [request id req-%d]", id, id, i)
		s.add(event.JobComplete{Job: job("s", id, ""), Outcome: outcome.Unreachable, Why: why})
	}
	s.add(event.RunSummary{Jobs: map[outcome.Outcome]int{outcome.Unreachable: 3}, ExitCode: 4})
	got := string(play(t, s, s.options(), plain))
	want := "unreachable  s\n  start session on the target: TargetNotConnected: the target is not connected\n  3 targets: i-0a, i-0b, i-0c\n"
	if !strings.Contains(got, want) {
		t.Errorf("want\n%s\nin\n%s", want, got)
	}
}

// A long outage of many targets does not fill the screen.
func TestAttemptsToResumeAreShownNowAndThen(t *testing.T) {
	s := newStory(t)
	s.add(event.RunStart{Runbook: ".", Jobs: 1})
	for attempt := range 40 {
		s.add(event.SessionReconnect{Job: job("s", "i-0a", ""), Attempt: attempt + 1, Cause: "connection refused"})
	}
	got := string(play(t, s, s.options(), plain))
	if n := strings.Count(got, "to resume"); n != 6 || !strings.Contains(got, "attempt 32 to resume") {
		t.Errorf("%d attempts in\n%s", n, got)
	}
}

func TestPlainVerbose(t *testing.T) {
	s := badNight(t)
	opts := s.options()
	opts.Verbose = true
	golden(t, "plain-verbose", play(t, s, opts, plain))
}

func TestPlainInColour(t *testing.T) {
	s := badNight(t)
	opts := s.options()
	opts.Color = true
	golden(t, "plain-colour", play(t, s, opts, plain))
}

// fleetRun is the same thing on many targets.
func fleetRun(t testing.TB, n int) *story {
	s := newStory(t)
	s.add(event.RunStart{Runbook: "exec", Jobs: n, Directory: ".ssmrun/runs/" + runID})
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("i-%03d", i))
	}
	s.add(event.WaveStart{Address: "session.exec", Session: "exec", Wave: 1, Of: 1, Targets: ids})
	for i, id := range ids {
		s.add(event.SessionQueued{Job: job("exec", id, fmt.Sprintf("web-%03d", i)), Why: "StartSession quota", WaitSeconds: i / 2})
	}
	counts := map[outcome.Outcome]int{}
	for i, id := range ids {
		j := job("exec", id, fmt.Sprintf("web-%03d", i))
		s.add(event.SessionStart{Job: j, Kind: "shell"})
		st := step(j, "run", 1)
		o, failed := outcome.Passed, ""
		switch {
		case i%10 == 3:
			o, failed = outcome.Failed, "run"
			s.wrote(st, "stderr", "inactive\n")
			s.add(event.StepExpect{Step: st, Expectation: "exit_code", Expected: "0", Got: "3", Range: place})
			s.complete(st, o, 3)
		case i == n-1:
			s.complete(st, o, 0)
		default:
			s.wrote(st, "stdout", "active\n")
			s.complete(st, o, 0)
		}
		counts[o]++
		s.done(j, o, failed, "")
		s.at = s.at.Add(time.Second)
	}
	code := outcome.Tally{Jobs: counts}.ExitCode()
	s.add(event.RunSummary{Jobs: counts, ExitCode: code, DurationMS: 25_000})
	return s
}

func TestPlainManyTargets(t *testing.T) {
	s := fleetRun(t, 60)
	golden(t, "plain-many", play(t, s, s.options(), plain))
}

func TestFold(t *testing.T) {
	s := fleetRun(t, 25)
	golden(t, "fold", play(t, s, s.options(), func(w *bytes.Buffer, o Options) View { return NewFold(w, o) }))
	var out bytes.Buffer
	if err := WriteFold(&out, s.all(), s.options()); err != nil {
		t.Fatal(err)
	}
	golden(t, "fold-after", out.Bytes())
}

func TestJSONIsALineARecord(t *testing.T) {
	s := badNight(t)
	var out bytes.Buffer
	v := NewJSON(&out)
	for _, rec := range s.records {
		v.Record(rec)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(out.String()) {
		rec, err := event.ParseRecord([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if rec.Seq != s.records[n].Seq {
			t.Fatalf("line %d has number %d", n, rec.Seq)
		}
		n++
	}
	if n != len(s.records) {
		t.Errorf("%d lines for %d records", n, len(s.records))
	}
}

func TestShow(t *testing.T) {
	s := badNight(t)
	run := Run{ID: runID, Dir: ".ssmrun/runs/" + runID, Status: "complete", StartedAt: s.records[0].Time,
		EndedAt: s.at, Runbook: "runbooks/web", ExitCode: outcome.ExitUnknown}
	var out bytes.Buffer
	if err := WriteShow(&out, run, s.all(), s.options()); err != nil {
		t.Fatal(err)
	}
	golden(t, "show", out.Bytes())

	out.Reset()
	opts := s.options()
	opts.Verbose = true
	if err := WriteShow(&out, run, s.all(), opts); err != nil {
		t.Fatal(err)
	}
	golden(t, "show-verbose", out.Bytes())
}

// A run whose process was killed in the middle of a step.
func TestShowOfAKilledRun(t *testing.T) {
	s := badNight(t)
	for i, rec := range s.records {
		if f, ok := rec.Fact.(event.StepStart); ok && f.Step.Step == "healthy" {
			s.records = s.records[:i+1]
			break
		}
	}
	run := Run{ID: runID, Status: "interrupted", StartedAt: s.records[0].Time}
	var out bytes.Buffer
	if err := WriteShow(&out, run, s.all(), s.options()); err != nil {
		t.Fatal(err)
	}
	golden(t, "show-killed", out.Bytes())

	out.Reset()
	damage := errors.New("journal is damaged at offset 77: why")
	run.Status = "damaged"
	err := WriteShow(&out, run, func(yield func(event.Record, error) bool) {
		for _, rec := range s.records[:4] {
			if !yield(rec, nil) {
				return
			}
		}
		yield(event.Record{}, damage)
	}, s.options())
	if err != damage {
		t.Errorf("got %v", err)
	}
	golden(t, "show-damaged", out.Bytes())
}

func TestHistory(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	err := WriteHistory(&out, []Run{
		{ID: "20260103T150405-bbbbbb", Status: "running", StartedAt: at.Add(24 * time.Hour), EndedAt: at.Add(24*time.Hour + 3*time.Second), Runbook: "web"},
		{ID: "20260102T150405-abcdef", Status: "complete", StartedAt: at, EndedAt: at.Add(4 * time.Minute), Runbook: "we\x1bb", ExitCode: 3,
			Jobs: map[outcome.Outcome]int{outcome.Passed: 118, outcome.Failed: 2}},
		{ID: "20260101T150405-cccccc", Status: "complete", StartedAt: at, EndedAt: at.Add(2 * time.Hour), Runbook: "db", Jobs: map[outcome.Outcome]int{outcome.Passed: 3}},
		{ID: "x", Status: "damaged", Err: errors.New("journal is damaged at offset 12")},
	}, Options{Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "history", out.Bytes())
}

type brokenPipe struct{ n int }

func (w *brokenPipe) Write(p []byte) (int, error) {
	if w.n++; w.n > 3 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

func TestViewsReturnTheErrorOfTheWriter(t *testing.T) {
	s := badNight(t)
	for name, v := range map[string]func(*brokenPipe) View{
		"plain": func(w *brokenPipe) View { return NewPlain(w, s.options()) },
		"json":  func(w *brokenPipe) View { return NewJSON(w) },
		"fold":  func(w *brokenPipe) View { return NewFold(w, s.options()) },
	} {
		w := &brokenPipe{}
		view := v(w)
		for _, rec := range s.records {
			view.Record(rec)
		}
		if err := view.Close(); err != os.ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
		if w.n != 4 {
			t.Errorf("%s: %d writes, and the fourth failed", name, w.n)
		}
	}
}

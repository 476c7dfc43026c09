package shell

import (
	"flag"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The torture suite is a table: hostile steps, each of which must end in
// exactly what it did, in every column: a kind of session, a shell, a step
// server, a latency. -torture.table writes the results of the whole.
var (
	torture      = flag.Bool("torture", false, "run the whole torture suite, with large outputs")
	tortureTenth = flag.Bool("torture.tenth", false, "run a tenth of the torture suite's cells, not a few in a hundred")
	tortureSeed  = flag.Uint64("torture.seed", 0, "chooses the cells that are run; 0 takes it from TORTURE_SEED, or others each time")
	tortureTable = flag.String("torture.table", "", "with -torture, write the results to this file, as Markdown")
	tortureJobs  = flag.Int("torture.jobs", 8, "sessions of the torture suite at a time")
	onlyColumn   = flag.String("column", "", "of the torture suite, only columns whose name contains this")
	onlyCase     = flag.String("case", "", "of the torture suite, only cases whose name contains this")
)

// tortureCase is one hostile step. One with play or both does everything
// itself; play needs a session of kind shell.
type tortureCase struct {
	name   string
	step   Step
	emit   []byte // in a file, whose name is the first argument
	out    string
	errs   string
	anyErr bool // stderr is the shell's own complaint
	code   int
	anyBad bool // any code but 0
	signal string
	lost   bool // no state is saved
	any    bool // state is saved or not
	either bool // some shells catch the signal and exit with its code
	dirty  bool // what it exports must not reach the next case
	play   func(t testing.TB, r *rig)
	both   func(t testing.TB, r stepRunner)

	// other has, by the name of the target's sh, why what that shell itself
	// makes of the script is another thing. Such a cell is not run.
	other map[string]string
}

// guarantee is a row of the table: one promise, and the steps that try it.
type guarantee struct {
	name  string // of the table's column
	claim string
	cases []tortureCase
}

func guarantees() []guarantee {
	return []guarantee{
		{"bytes", "every byte of output arrives as it was written", byteCases},
		{"streams", "stdout and stderr stay apart, whatever a step does to its descriptors", streamCases},
		{"ends", "the exit code and the signal are the step's", endCases},
		{"script", "the script, its arguments, environment and input arrive as they were written", inputCases},
		{"options", "what a script makes of its own shell hurts its own step only", optionCases},
		{"surroundings", "odd environments, limits and full disks change neither code nor output", surroundingCases},
		{"processes", "what a step leaves behind delays no result and reaches no other step", processCases},
		{"state", "the directory and exported variables carry, or the result says that they do not", stateCases},
		{"stop", "a step that is told to stop does, and the next one runs", stopCases},
		{"session", "the session outlives what a step does to it", sessionCases},
	}
}

// stepRunner runs steps of either kind.
type stepRunner interface {
	run(t testing.TB, step Step) (stdout, stderr string, res Result)
	signals() bool // a death by signal is told from an exit code
}

func (r *rig) signals() bool { return r.serving().info.Server != "sh" }

// noise is seeded, so that a failure can be repeated.
func noise(n int) []byte {
	b := make([]byte, n)
	src := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(src.Uint32())
	}
	return b
}

// size is of large cases: the default run is quick.
func size(n int) int {
	if *torture {
		return n
	}
	return n / 10
}

func allBytes() (b []byte) {
	for i := range 256 {
		b = append(b, byte(i))
	}
	return b
}

func catStdin(data string) Step { return Step{Script: []byte("cat"), Stdin: []byte(data)} }

// within makes the step of a case that the session can run.
func (tc tortureCase) within(t testing.TB) tortureCase {
	if tc.emit == nil {
		return tc
	}
	file := filepath.Join(t.TempDir(), "emit")
	if err := os.WriteFile(file, tc.emit, 0o644); err != nil {
		t.Fatal(err)
	}
	tc.step.Args = []string{file}
	return tc
}

func (tc tortureCase) check(t testing.TB, r stepRunner) {
	t.Helper()
	tc = tc.within(t)
	out, errs, res := r.run(t, tc.step)
	if out != tc.out {
		t.Errorf("stdout: got %s, want %s", brief(out), brief(tc.out))
	}
	errs = complaint.ReplaceAllString(errs, "")
	if !tc.anyErr && errs != tc.errs {
		t.Errorf("stderr: got %s, want %s", brief(errs), brief(tc.errs))
	}
	if tc.anyErr && errs == "" {
		t.Errorf("stderr: got none, want a complaint")
	}
	if tc.anyBad && res.ExitCode == 0 || !tc.anyBad && res.ExitCode != tc.code {
		t.Errorf("exit code: got %d, want %d", res.ExitCode, tc.code)
	}
	if !res.Verified() {
		t.Errorf("not verified: %+v", res)
	}
	if want := tc.signal; r.signals() && !tc.either && res.Signal != want {
		t.Errorf("signal: got %q, want %q", res.Signal, want)
	}
	if _, carries := r.(*rig); carries && !tc.any && res.StateSaved == tc.lost {
		t.Errorf("state saved: got %v, want %v", res.StateSaved, !tc.lost)
	}
	if want := crc32.ChecksumIEEE([]byte(out)); res.Stdout.Sum != want || res.Stdout.Bytes != int64(len(out)) {
		t.Errorf("stdout: got %+v, want %d bytes, sum %d", res.Stdout, len(out), want)
	}
}

// complaint is what bash says of a locale that does not exist, wherever the
// environment has one: there is no way to tell it not to.
var complaint = regexp.MustCompile(`(?m)^.* warning: setlocale: LC_ALL: cannot change locale .*\n`)

func brief(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%d bytes %.100q…%q", len(s), s, s[len(s)-40:])
	}
	return fmt.Sprintf("%q", s)
}

// sample says which cells are run when not all are. Of one seed it is always
// the same.
type sample uint64

// column has one of eight columns, or of a tenth of the cells one of four. Those
// in which the target's sh is not dash have cells that are known to fail: they
// are run with the whole, where they are shown, and by name.
func (s sample) column(name string) bool {
	if *torture || *onlyColumn != "" {
		return true
	}
	return strings.Contains(name, "sh=dash") && (*tortureTenth && s.has(name, 4, 1) || !*tortureTenth && s.has(name, 8, 1))
}

// cell has one of four cases of those columns, or of a tenth two of five.
func (s sample) cell(name string) bool {
	return *torture || *onlyCase != "" || *tortureTenth && s.has(name, 5, 2) || !*tortureTenth && s.has(name, 4, 1)
}

func (s sample) has(name string, of, most uint64) bool {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", uint64(s), name)
	sum := h.Sum64()
	return (sum^sum>>32)%of < most
}

// TestTorture runs some of the cells, or with -torture all of them.
func TestTorture(t *testing.T) {
	seed := *tortureSeed
	if seed == 0 {
		seed, _ = strconv.ParseUint(os.Getenv("TORTURE_SEED"), 10, 64)
	}
	if seed == 0 {
		seed = rand.Uint64N(1_000_000)
	}
	began, at := time.Now(), commit()
	// A session's shell must not inherit that signals are ignored, which is how
	// a shell starts what it puts into the background.
	notIgnored := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(notIgnored, s)
		}
	}
	defer signal.Stop(notIgnored)
	var columns []*column
	for _, col := range tortureColumns(t) {
		col.sample = sample(seed)
		if strings.Contains(col.name(), *onlyColumn) && col.sample.column(col.name()) {
			columns = append(columns, col)
		}
	}
	if testing.Short() && len(columns) > 6 {
		columns = columns[:6]
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, *tortureJobs)
	for _, col := range columns {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			col.run(t)
		})
	}
	group.Wait()
	total := countOf(columns)
	t.Logf("%d cells in %d columns, %d failed, %d not run, in %v", total.passed+total.failed, len(columns), total.failed, total.other, time.Since(began).Round(time.Second))
	if *tortureTable != "" {
		if err := os.WriteFile(*tortureTable, tableOf(columns, began, at), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !*torture {
		t.Logf("the seed is %d: go test ./internal/shell -run '^TestTorture$' -torture.seed %[1]d", seed)
	}
}

package shell

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	measure      = flag.Bool("measure", false, "measure the step servers and print a table; takes some minutes of a quiet machine")
	measureSteps = flag.Int("measure.steps", 500, "steps of a measurement")
	measureBytes = flag.Int("measure.bytes", 10<<20, "bytes of output of a measurement")
)

// smallStep is what the figures of a step are of.
func smallStep(t testing.TB, r *rig) {
	t.Helper()
	if out, _, res := r.run(t, sh("echo hello")); out != "hello\n" || !res.Verified() || !res.StateSaved {
		t.Fatalf("got %q %+v", out, res)
	}
}

func traced(t testing.TB) string {
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	return path
}

// forkCall begins every call in a trace, whether or not its line was cut by
// another process's.
var forkCall = regexp.MustCompile(`\b(clone|clone3|fork|vfork)\(`)

// processes counts the processes that n small steps add to a session, by a
// trace of the calls that make them.
func processes(t testing.TB, server, binSh string, n int) float64 {
	count := func(n int) int {
		log := filepath.Join(t.TempDir(), "log")
		argv := []string{traced(t), "-f", "-qq", "-o", log, "-e", "trace=clone,clone3,fork,vfork", "dash"}
		r := boot(t, argv, habits{}, Options{Servers: []string{server}, binSh: binSh, streamAfter: time.Hour})
		smallStep(t, r)
		for range n {
			smallStep(t, r)
		}
		r.Quit()
		r.cmd.Wait()
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return len(forkCall.FindAll(text, -1))
	}
	return float64(count(n)-count(0)) / float64(n)
}

func TestASmallStepOnDashTakesFewProcesses(t *testing.T) {
	traced(t)
	for server, most := range map[string]float64{"sh": 4, "perl": 2, "python3": 2, "static": 2.5} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			if got := processes(t, server, "dash", 5); got > most {
				t.Errorf("got %v processes a step, want at most %v", got, most)
			}
		})
	}
}

// processorTime is what the processes under pid have used that have ended, and
// pid itself, by its stat file in hundredths of a second.
func processorTime(t testing.TB, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, f := range fields[11:15] {
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func median[T int64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// batch is how many steps one reading of the processor's time is of.
const batch = 50

func processorTimeAStep(t testing.TB, server, binSh string, steps int) time.Duration {
	r := boot(t, []string{"dash"}, agent, Options{Servers: []string{server}, binSh: binSh})
	var batches []time.Duration
	for range steps / batch {
		before := processorTime(t, r.serving().info.PID)
		for range batch {
			smallStep(t, r)
		}
		batches = append(batches, (processorTime(t, r.serving().info.PID)-before)/batch)
	}
	return median(batches)
}

func timeAStep(t testing.TB, server, binSh string, oneWay time.Duration, steps int) time.Duration {
	h := agent
	h.latency = oneWay
	r := boot(t, []string{"dash"}, h, Options{Servers: []string{server}, binSh: binSh})
	var took []time.Duration
	for range steps {
		began := time.Now()
		smallStep(t, r)
		took = append(took, time.Since(began))
	}
	return median(took)
}

// paced is how long the agent's pacing takes for n bytes that it passes as
// they are.
func paced(t testing.TB, n int) time.Duration {
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, bytes.Repeat([]byte(strings.Repeat("x", 1000)), n/1000+1)[:n], 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, []string{"sh", "-c", "stty raw; cat " + file}, agent, Options{})
	began := time.Now()
	<-r.lost
	return time.Since(began)
}

// timeOfOutput is how long a file takes as a step's output, and how many bytes
// the session had for it.
func timeOfOutput(t testing.TB, server, binSh, file string, want int) (time.Duration, int64) {
	r := boot(t, []string{"dash"}, agent, Options{Servers: []string{server}, binSh: binSh})
	before := r.wire.Load()
	began := time.Now()
	var n atomic.Int64
	res, err := r.Run(t.Context(), sh("cat "+file), (*tally)(&n), nil)
	if err != nil || int(n.Load()) != want || !res.Verified() {
		t.Fatalf("%d bytes came of %d: %+v, %v", n.Load(), want, res, err)
	}
	return time.Since(began), r.wire.Load() - before
}

// What the pacing allows is bytes of the session; of those, nine in ten are to
// be the step's own where the target has perl or python3, six in ten elsewhere.
func TestNoiseIsSentDensely(t *testing.T) {
	const size = 300_000
	file := filepath.Join(t.TempDir(), "noise")
	if err := os.WriteFile(file, noise(size), 0o600); err != nil {
		t.Fatal(err)
	}
	for server, share := range map[string]float64{"perl": .9, "python3": .9, "static": .9, "sh": .6} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			_, wire := timeOfOutput(t, server, "", file, size)
			t.Logf("%.1f %% of the wire are the step's", 100*size/float64(wire))
			if size < share*float64(wire) {
				t.Errorf("%d bytes took %d on the wire, %.1f %% are the step's, want %.0f %%", size, wire, 100*size/float64(wire), 100*share)
			}
		})
	}
}

// typed counts the writes to a session's input.
type typed struct {
	io.Writer
	n atomic.Int64
}

func (w *typed) Write(p []byte) (int, error) {
	w.n.Add(1)
	return w.Writer.Write(p)
}

// A write that waits for something of the step would be another round trip.
func TestASmallStepIsOneRoundTrip(t *testing.T) {
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"dash"}, agent, Options{Servers: []string{server}, streamAfter: time.Hour})
			in := &typed{Writer: r.in}
			r.in = in
			for range 10 {
				before := in.n.Load()
				smallStep(t, r)
				if n := in.n.Load() - before; n != 1 {
					t.Fatalf("the client typed %d times, want once", n)
				}
			}
		})
	}
}

// The sh server takes the output of a short step in another way than that of a
// long one, and from where its first bytes end to what a pipe holds.
func TestOutputOfAnySizeIsExact(t *testing.T) {
	for _, binSh := range []string{"dash", "bash", "busybox sh"} {
		t.Run(binSh, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(strings.Fields(binSh)[0]); err != nil {
				t.Skip(err)
			}
			data := noise(70_000)
			file := filepath.Join(t.TempDir(), "noise")
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			r := boot(t, []string{"dash"}, habits{}, Options{Servers: []string{"sh"}, binSh: binSh})
			if r.serving().set["pipe"] != "1" {
				t.Skipf("%s makes no pipes", binSh)
			}
			for _, n := range []int{0, 1, 975, 976, 977, 1000, 1023, 1024, 1025, 4096, 63_000, 64_500, 65_535, 65_536, 65_537, 70_000} {
				out, errs, res := r.run(t, sh(fmt.Sprintf("head -c %d %s >&2; head -c %d %[2]s", n, file, n/2)))
				if errs != string(data[:n]) || out != string(data[:n/2]) || !res.Verified() || !res.StateSaved {
					t.Errorf("%d bytes: got %d and %d, %+v", n, len(errs), len(out), res)
				}
			}
		})
	}
}

// The client's memory is bounded by a frame, however long the output.
func TestMemoryDoesNotGrowWithOutput(t *testing.T) {
	const frames = 600
	part := noise(48 << 10)
	c := New(io.Discard, Options{})
	s := &server{tag: []byte("@00 "), nonce: "00", set: map[string]string{}, gone: make(chan struct{}), notify: make(chan struct{}, 1)}
	c.server = s
	var n atomic.Int64
	r := c.begin(s, (*tally)(&n), nil)
	tail := fmt.Sprintf("b %d r%08x %s\n", len(part), crc32.ChecksumIEEE(part), base64.StdEncoding.EncodeToString(part)[4000:])
	head := "@00 o 1 " + base64.StdEncoding.EncodeToString(part)[:4000] + "\n"
	r.number = "1"
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var early uint64
	for i := range frames {
		if i == frames/8 {
			early = heap()
		}
		fmt.Fprintf(c, "%s@00 O 1 %d %s", head, i, tail)
	}
	if late := heap(); n.Load() != int64(frames*len(part)) || late > early+1<<20 {
		t.Errorf("%d bytes came; the heap was %d bytes after an eighth of them and %d after all", n.Load(), early, late)
	}
	c.detach(r)
}

// TestMeasure prints what the docs say of the step servers:
//
//	go test ./internal/shell -run TestMeasure -measure -timeout 1h -v
func TestMeasure(t *testing.T) {
	if !*measure {
		t.Skip("only with -measure")
	}
	traced(t)
	file := filepath.Join(t.TempDir(), "noise")
	if err := os.WriteFile(file, noise(*measureBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	seq := filepath.Join(t.TempDir(), "seq")
	var text bytes.Buffer
	for i := 1; text.Len() < *measureBytes; i++ {
		fmt.Fprintln(&text, i)
	}
	if err := os.WriteFile(seq, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d steps, %d bytes of noise and of seq\n", *measureSteps, *measureBytes)
	fmt.Fprintln(w, "server\tprocesses\tprocessor\tstep\tstep at 50 ms one way\tdifference\tpacing alone\tnoise\tof the pacing\tof the wire\tseq")
	for _, row := range [][2]string{{"perl", "dash"}, {"python3", "dash"}, {"static", "dash"}, {"sh", "dash"}, {"sh", "bash"}, {"sh", "busybox sh"}, {"sh", "ksh"}, {"sh", "mksh"}, {"sh", "zsh --emulate sh"}} {
		server, bin := row[0], row[1]
		if !strings.Contains(server+"/"+bin, *onlyColumn) {
			continue
		}
		if _, err := exec.LookPath(strings.Fields(bin)[0]); err != nil {
			continue
		}
		forks := processes(t, server, bin, 20)
		cpu := processorTimeAStep(t, server, bin, max(*measureSteps, batch))
		near := timeAStep(t, server, bin, 0, *measureSteps)
		far := timeAStep(t, server, bin, 50*time.Millisecond, *measureSteps)
		raw := paced(t, *measureBytes)
		out, wire := timeOfOutput(t, server, bin, file, *measureBytes)
		small, _ := timeOfOutput(t, server, bin, seq, text.Len())
		fmt.Fprintf(w, "%s/%s\t%.1f\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f s\t%.1f s\t%.0f %%\t%.0f %%\t%.1f s\n", server, bin, forks, ms(cpu), ms(near), ms(far), ms(far-near),
			raw.Seconds(), out.Seconds(), 100*raw.Seconds()/out.Seconds(), 100*float64(*measureBytes)/float64(wire), small.Seconds())
	}
	w.Flush()
	fmt.Fprint(io.Writer(os.Stdout), table.String())
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

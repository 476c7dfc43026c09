package shell

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var servers = []string{"sh", "perl", "python3"}

// BenchmarkStep is one small step, client and target together, without the
// agent's pacing.
func BenchmarkStep(b *testing.B) {
	for _, server := range servers {
		b.Run(server, func(b *testing.B) {
			r := boot(b, []string{"dash"}, habits{}, Options{Servers: []string{server}})
			for b.Loop() {
				r.run(b, sh("echo hello"))
			}
		})
	}
}

// BenchmarkTarget reports what a small step costs on the target: processes,
// the step's own shell among them, and processor time. Run it with
// -benchtime=1x.
func BenchmarkTarget(b *testing.B) {
	const steps = 50
	// cost is of a whole session with n steps.
	cost := func(b *testing.B, server string, argv []string, n int) float64 {
		r := boot(b, argv, habits{}, Options{Servers: []string{server}})
		for range n {
			r.run(b, sh("echo hello"))
		}
		r.Quit()
		r.cmd.Wait()
		return float64(r.cmd.ProcessState.UserTime()+r.cmd.ProcessState.SystemTime()) / 1e6
	}
	for _, server := range servers {
		b.Run(server, func(b *testing.B) {
			var forks, cpu, start float64
			for b.Loop() {
				start = cost(b, server, []string{"dash"}, 0)
				cpu = (cost(b, server, []string{"dash"}, steps) - start) / steps
				if _, err := exec.LookPath("strace"); err == nil {
					count := func(n int) int {
						log := filepath.Join(b.TempDir(), "log")
						cost(b, server, []string{"strace", "-f", "-qq", "-o", log, "-e", "trace=clone,clone3,fork,vfork", "dash"}, n)
						text, err := os.ReadFile(log)
						if err != nil {
							b.Fatal(err)
						}
						return bytes.Count(text, []byte("(")) - bytes.Count(text, []byte("unfinished"))
					}
					forks = float64(count(20)-count(0)) / 20
				}
			}
			b.ReportMetric(cpu, "cpu-ms/step")
			b.ReportMetric(start, "boot-cpu-ms")
			b.ReportMetric(forks, "forks/step")
		})
	}
}

// BenchmarkOutput is a step with 4 MB that cannot be compressed.
func BenchmarkOutput(b *testing.B) {
	const size = 4 << 20
	for _, server := range servers {
		b.Run(server, func(b *testing.B) {
			r := boot(b, []string{"dash"}, habits{exact: true}, Options{Servers: []string{server}})
			b.SetBytes(size)
			for b.Loop() {
				out, _, res := r.run(b, sh("head -c 4194304 /dev/urandom"))
				if len(out) != size || !res.Verified() {
					b.Fatalf("got %d bytes, %+v", len(out), res)
				}
			}
		})
	}
}

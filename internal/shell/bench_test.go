package shell

import (
	"testing"
)

// BenchmarkStep is one small step, client and target together, without the
// agent's pacing.
func BenchmarkStep(b *testing.B) {
	for _, server := range []string{"sh", "perl", "python3"} {
		b.Run(server, func(b *testing.B) {
			r := boot(b, []string{"dash"}, habits{}, Options{Servers: []string{server}})
			for b.Loop() {
				r.run(b, sh("echo hello"))
			}
		})
	}
}

// BenchmarkOutput is a step with 10 MB that cannot be compressed.
func BenchmarkOutput(b *testing.B) {
	for _, server := range []string{"sh", "perl", "python3"} {
		b.Run(server, func(b *testing.B) {
			r := boot(b, []string{"dash"}, habits{exact: true}, Options{Servers: []string{server}})
			b.SetBytes(10 << 20)
			for b.Loop() {
				out, _, res := r.run(b, sh("head -c 10485760 /dev/urandom"))
				if len(out) != 10<<20 || !res.Verified() {
					b.Fatalf("got %d bytes, %+v", len(out), res)
				}
			}
		})
	}
}

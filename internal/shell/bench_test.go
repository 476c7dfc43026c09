package shell

import "testing"

var servers = []string{"sh", "perl", "python3", "static"}

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

package tunnel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
)

func TestStdioCarriesBothWaysOverABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := bytesOf(7, 512<<10)
		l := join(t, plain, "", func(n int) channel.Faults {
			f := channel.Faults{Seed: uint64(n), Drop: 0.05, Duplicate: 0.05, Reorder: 0.1, Latency: 10 * time.Millisecond}
			if n < 3 {
				f.CutAfter = 200
			}
			return f
		}, func(conn net.Conn) { // an echo that closes when it has all
			io.CopyN(onlyWriter{conn}, onlyReader{conn}, int64(len(want)))
			conn.Close()
		})
		var out bytes.Buffer
		if err := Stdio(t.Context(), l.session, bytes.NewReader(want), &out, Options{Linger: time.Minute}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%d bytes came back", out.Len())
		}
	})
}

func TestStdioHearsTheTargetOutWhenInputHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := join(t, plain, "", nil, func(conn net.Conn) {
			io.ReadFull(conn, make([]byte, 5))
			time.Sleep(500 * time.Millisecond)
			conn.Write([]byte("world"))
			io.Copy(io.Discard, conn) // and never closes
		})
		var out bytes.Buffer
		start := time.Now()
		if err := Stdio(t.Context(), l.session, strings.NewReader("hello"), &out, Options{}); err != nil || out.String() != "world" {
			t.Errorf("got %q, %v", &out, err)
		}
		if took := time.Since(start); took < 1500*time.Millisecond || took > 2*time.Second {
			t.Errorf("took %v, want half a second and a second of silence", took)
		}
		if err := <-l.served; err != nil {
			t.Errorf("the server ended with %v, not by the flag", err)
		}
	})
}

func TestNothingBehindThePortIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := join(t, plain, "", nil, nil)
		in, keep := io.Pipe()
		defer keep.Close()
		var ended *EndedError
		err := Stdio(t.Context(), l.session, in, io.Discard, Options{})
		if !errors.As(err, &ended) || !ended.Silent || !strings.Contains(err.Error(), `its port "22"`) {
			t.Errorf("got %v", err)
		}
		if err := <-l.served; !errors.As(err, new(*SilentError)) {
			t.Errorf("the server ended with %v", err)
		}
	})
}

func TestStdioEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := join(t, plain, "", nil, echo)
		in, keep := io.Pipe()
		defer keep.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := Stdio(ctx, l.session, in, io.Discard, Options{}); err != nil {
			t.Error(err)
		}
		if err := <-l.served; err != nil {
			t.Errorf("the server ended with %v, not by the flag", err)
		}
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestErrorsOfInputAndOutputAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := join(t, plain, "", nil, echo)
		err := Stdio(t.Context(), l.session, strings.NewReader("x"), brokenWriter{}, Options{})
		if err == nil || err.Error() != "write output: disk full" {
			t.Errorf("got %v", err)
		}
		l = join(t, plain, "", nil, echo)
		in, other := io.Pipe()
		other.CloseWithError(errors.New("unplugged"))
		if err := Stdio(t.Context(), l.session, in, io.Discard, Options{}); err == nil || err.Error() != "read input: unplugged" {
			t.Errorf("got %v", err)
		}
	})
}

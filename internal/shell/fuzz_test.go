package shell

import (
	"bytes"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/bounds"
)

// inflateCost is what expanding one compressed frame may take: up to maxFrame
// bytes, in a buffer that grows by quarters, and the decoder's window.
const inflateCost = 6*maxFrame + 64<<10

// compressed counts what may be the heads of compressed frames.
func compressed(said []byte) int {
	return bytes.Count(said, []byte(" z ")) + bytes.Count(said, []byte(" y "))
}

// hostileLines adds what a target might say.
func hostileLines(f *testing.F, tag string, add func(string)) {
	for _, lines := range []string{
		"O 1 0 b 3 r352441c2 YWJj\nT 1 O 1 3 352441c2\nT 1 E 0 0 0\nX 1 0 - 1 1 1 1 1\n",
		"o 1 YWJj\r\nT 1 O 1 3 4\nE 1 0 z 9 t1 H4sI\nR a=b\nY 1 3\nX 1 - 1 1 1 1 1 1\nT 1 O -1 -1 -1\n",
		"8 a=@ 8=8\nO 1 0 q 3 r352441c2 abc\nO 1 1 d 3 f440920331 97_98_99\nE 1 0 d 2 f1 49_500\nO 1 2 y 3 r0 =\n",
		"B 1 77\nF 1 no\np 1\nA 3\nX 1\nX 1 0\n",
		"R" + strings.Repeat(" a", 8<<10) + "\n",
		"O 1 0 h 99999999999999999999 r0 00\nO 1 0 q 1 - x\nO 1 -1 b -1 r\n",
		strings.Repeat("o 1 "+strings.Repeat("A", 1000)+"\n", 4),
		strings.Repeat("x", 70<<10),
	} {
		var tagged strings.Builder
		for line := range strings.Lines(lines) {
			tagged.WriteString(tag + line)
		}
		add(tagged.String())
	}
	add(strings.Repeat("\n", 4<<10))
	add("@BOOT r perl python3 shell=dash\n@BOOT x 1 137\n")
}

// clientOf is a client whose step 1 is under way.
func clientOf(stdout *bytes.Buffer) (*Client, *run) {
	c := New(&bytes.Buffer{}, Options{})
	s := &server{tag: []byte("@00 "), nonce: "00", set: map[string]string{}, gone: make(chan struct{}), notify: make(chan struct{}, 1)}
	c.server = s
	return c, c.begin(s, stdout, nil)
}

// FuzzClient feeds a client whatever a session might say, in two pieces: where
// they are cut makes no difference, and what is verified is what was written.
func FuzzClient(f *testing.F) {
	hostileLines(f, "@00 ", func(text string) { f.Add([]byte(text), uint16(7)) })
	f.Fuzz(func(t *testing.T, said []byte, cut uint16) {
		at := min(int(cut), len(said))
		var ends [2]ending
		var texts [2]string
		for i, pieces := range [][][]byte{{said}, {said[:at], said[at:]}} {
			bounds.Check(t, 64<<10+bounds.Wire(len(said))+inflateCost*compressed(said), func() {
				var stdout bytes.Buffer
				c, r := clientOf(&stdout)
				for _, piece := range pieces {
					c.Write(piece)
				}
				r.settle()
				c.detach(r)
				_ = c.Screen()
				ends[i], texts[i] = ending{}, stdout.String()
				select {
				case ends[i] = <-r.end:
				default:
				}
				result := r.streams[0].result()
				if result.Verified && (result.Bytes != int64(stdout.Len()) || result.Sum != crc32.ChecksumIEEE(stdout.Bytes())) {
					t.Fatalf("%+v is verified, and %q was written", result, stdout.String())
				}
			})
		}
		if texts[0] != texts[1] || (ends[0].lost == nil) != (ends[1].lost == nil) || ends[0].result.ExitCode != ends[1].result.ExitCode {
			t.Fatalf("%q became %q and %+v, cut at %d %q and %+v", said, texts[0], ends[0], at, texts[1], ends[1])
		}
	})
}

// FuzzTrailer feeds the taker of a wrapped command's output: a result needs the
// whole trailer.
func FuzzTrailer(f *testing.F) {
	_, trailer, err := WrapCommand(Step{Script: []byte("true")})
	if err != nil {
		f.Fatal(err)
	}
	hostileLines(f, "@00 ", func(text string) { f.Add([]byte(text)) })
	f.Fuzz(func(t *testing.T, said []byte) {
		bounds.Check(t, 128<<10+bounds.Wire(2*len(said))+inflateCost*compressed(said), func() {
			var stdout bytes.Buffer
			one := &Trailer{tag: []byte("@00 ")}
			one.run.number = trailer.run.number
			one.run.began, one.run.end = make(chan struct{}), make(chan ending, 1)
			one.run.alive, one.run.exited = make(chan struct{}, 1), make(chan struct{}, 1)
			one.run.streams = [2]*stream{{}, {}}
			one.SetOutput(&stdout, nil)
			one.Stdout().Write(said)
			one.Stderr().Write(said)
			_ = one.Screen()
			result, err := one.Result()
			if err == nil && !bytes.Contains(said, []byte("@00 X 1 ")) && !bytes.Contains(said, []byte("@00 Y 1 ")) && !bytes.Contains(said, []byte("@00 F 1")) {
				t.Fatalf("%q gave %+v", said, result)
			}
			again, err2 := one.Result()
			if !reflect.DeepEqual(result, again) || (err == nil) != (err2 == nil) {
				t.Fatalf("%q gave %+v, %v and then %+v, %v", said, result, err, again, err2)
			}
		})
	})
}

// FuzzDecodeFrame: what is accepted is of the length and checksum that its head
// states.
func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte("YWJj"), "b", int64(3), "r352441c2")
	f.Add([]byte(" 61 62\n 63"), "h", int64(3), "r352441c2")
	f.Add([]byte("eJxLTEoGAAJNASc="), "z", int64(3), "r352441c2")
	f.Add([]byte("abc"), "q", int64(3), "r352441c2")
	f.Add([]byte("x\x9cKLJ\x06=@\x02M\x01'"), "y", int64(3), "r352441c2")
	f.Add([]byte("97_98_99"), "d", int64(3), "f440920331")
	f.Add([]byte("YWJj"), "b", int64(4), "t1")
	f.Add([]byte("YWJj"), "b", int64(3), "-")
	f.Add([]byte("YWJj"), "b", int64(3), "x"+strings.Repeat("\x0f", 8<<10))
	f.Add([]byte("YWJj"), strings.Repeat("\xff", 8<<10), int64(3), "r352441c2")
	f.Fuzz(func(t *testing.T, text []byte, enc string, length int64, check string) {
		if check == "" {
			return // stream.frame refuses it
		}
		limit := bounds.Wire(len(text) + len(enc) + 2*len(check)) // errors quote them
		if enc == "z" || enc == "y" {
			limit += inflateCost
		}
		var data []byte
		var err error
		bounds.Check(t, limit, func() { data, _, err = decodeFrame(text, enc, length, check) })
		if err != nil {
			return
		}
		if len(data) > maxFrame && (enc == "z" || enc == "y") {
			t.Fatalf("expanded to %d bytes", len(data))
		}
		if check[0] == 'r' && int64(len(data)) != length {
			t.Fatalf("%d bytes of %d were accepted", len(data), length)
		}
	})
}

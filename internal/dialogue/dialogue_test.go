package dialogue

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func prompts(exprs ...string) []Prompt {
	var list []Prompt
	for _, expr := range exprs {
		p := Prompt{}
		expr, p.Optional = strings.CutPrefix(expr, "?")
		expr, p.Repeat = strings.CutPrefix(expr, "+")
		p.Match = regexp.MustCompile(expr)
		list = append(list, p)
	}
	return list
}

// cases are dialogues: prompts (`?` may be left out, `+` may come again), what
// the program writes, and which prompts are asked.
var cases = map[string]struct {
	prompts  []Prompt
	anyOrder bool
	output   string
	want     []int
	awaited  []int
}{
	"in turn":             {prompts("New password:", "Retype"), false, "Changing.\r\nNew password: \r\nRetype new password: \r\ndone\r\n", []int{0, 1}, nil},
	"the turn is kept":    {prompts("b", "a"), false, "a b a", []int{0, 1}, nil},
	"never asked":         {prompts("Name:", "Age:"), false, "Name: \r\nThank you\r\n", []int{0}, []int{1}},
	"found once":          {prompts("y/n", "y/n"), false, "Go on (y/n)? ", []int{0}, []int{1}},
	"left out":            {prompts("?yes/no", "word:"), false, "Password: ", []int{1}, nil},
	"not left out":        {prompts("?yes/no", "word:"), false, "sure (yes/no)? ok\r\nPassword: ", []int{0, 1}, nil},
	"again":               {prompts("+--More--", "OK\\?"), false, "a\r\n--More--\r\x1b[Kb\r\n--More--\r\x1b[Kc\r\nOK? --More--", []int{0, 0, 1}, nil},
	"any order":           {prompts("Name:", "Age:"), true, "Age: 3\r\nName: ", []int{1, 0}, nil},
	"any order, once":     {prompts("Name:", "Age:"), true, "Age: Age: ", []int{1}, []int{0}},
	"the first counts":    {prompts("word:", "Password:"), true, "Password:", []int{0}, []int{1}},
	"end of text":         {prompts(`: $`), false, "Password: rest", []int{0}, nil},
	"end of a line":       {prompts(`(?m)^ready$`), false, "not ready\r\nready\r\n", []int{0}, nil},
	"word":                {prompts(`\bpin\b`), false, "pine pin.", []int{0}, nil},
	"lines":               {prompts(`One\nTwo`), false, "One\r\nTwo", []int{0}, nil},
	"colours":             {prompts("Password:"), false, "\x1b[1;31mPass\x1b[0mword\x1b]0;title\x07:", []int{0}, nil},
	"a cursor that jumps": {prompts("New password"), false, "New\x1b[1Cpassword", []int{0}, nil},
	"a line of its own":   {prompts(`(?m)^Enter`), false, "working 10%\rEnter", []int{0}, nil},
	"whole characters":    {prompts("caf[^é]", "é"), false, "café", nil, []int{0}},
	"wide characters":     {prompts("パスワード"), false, "あなたのパスワード：", []int{0}, nil},
	"no UTF-8":            {prompts("ok"), false, "\xff\xfe\xe3\x81ok", []int{0}, nil},
	"far back":            {prompts("begin.*end"), false, "begin" + strings.Repeat("x", 3*windowBytes) + "end", nil, []int{0}},
	"after much":          {prompts("end$"), false, strings.Repeat("lend 0123456789 é\r\n", 400) + "end", []int{0}, nil},
	"after much, uneven":  {prompts("(?m)^never$"), false, strings.Repeat("0123456789é パスabc", 600), nil, []int{0}},
	"an open string":      {prompts("ok"), false, "\x1b]0;" + strings.Repeat("t", maxString+5) + "ok", []int{0}, nil},
	"a broken sequence":   {prompts("ok"), false, "\x1b[\x1b[31mok", []int{0}, nil},
	"nothing":             {nil, false, "text", nil, nil},
}

func TestPromptsAreFound(t *testing.T) {
	for name, c := range cases {
		d := New(c.prompts, c.anyOrder)
		got := d.Feed([]byte(c.output))
		if !slices.Equal(got, c.want) || !slices.Equal(d.Awaited(), c.awaited) {
			t.Errorf("%s: asked %v, awaited %v, want %v and %v", name, got, d.Awaited(), c.want, c.awaited)
		}
	}
}

// How the output was cut makes no difference: not to what is asked, nor to how
// much of the output has to be there for it.
func TestTheCutMakesNoDifference(t *testing.T) {
	type at struct{ offset, prompt int }
	random := rand.New(rand.NewPCG(1, 2))
	for name, c := range cases {
		byByte, one := []at{}, New(c.prompts, c.anyOrder)
		for i := range len(c.output) {
			for _, prompt := range one.Feed([]byte{c.output[i]}) {
				byByte = append(byByte, at{i, prompt})
			}
		}
		try := func(cuts []int) {
			t.Helper()
			d := New(c.prompts, c.anyOrder)
			var got []int
			from := 0
			for _, to := range append(cuts, len(c.output)) {
				got = append(got, d.Feed([]byte(c.output[from:to]))...)
				from = to
			}
			var want []int
			for _, a := range byByte {
				want = append(want, a.prompt)
			}
			if !slices.Equal(got, want) || d.Screen() != one.Screen() || string(d.text) != string(one.text) {
				t.Errorf("%s, cut at %v: %v, want %v\n%q\n%q", name, cuts, got, want, d.text, one.text)
			}
		}
		if len(c.output) < 300 {
			for i := range len(c.output) {
				try([]int{i})
			}
		}
		for range 50 {
			cuts := make([]int, random.IntN(20))
			for i := range cuts {
				cuts[i] = random.IntN(len(c.output))
			}
			slices.Sort(cuts)
			try(cuts)
		}
	}
}

// The search by halves finds what trying after each character does.
func TestThePatternIsTriedAfterEachCharacter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	exprs := []string{"ab", "a.*b$", "(?m)^b$", `\ba\b`, "a+", "a|bb$", "(a|b){3}", "[^a]b", "(?i)A$", "a$|^b", "(?s)a.b$", "x*$a", "é"}
	for range 3000 {
		expr := exprs[random.IntN(len(exprs))]
		var b strings.Builder
		for range random.IntN(12) {
			b.WriteString([]string{"a", "b", " ", "\n", "é", "x"}[random.IntN(6)])
		}
		text, exact := []byte(b.String()), regexp.MustCompile(expr)
		want := -1
		for _, end := range characterEnds(text, 0) {
			if exact.Match(text[:end]) {
				want = end
				break
			}
		}
		if got := newPattern(exact).found(text, 0); got != want {
			t.Fatalf("%q in %q: %d, want %d", expr, text, got, want)
		}
	}
}

func TestTheScreenIsPlain(t *testing.T) {
	d := New(nil, false)
	d.Feed([]byte("\x1b[2J\x1b[Hone\r\n\r\n\r\ntwo\x07 \x1b]0;t\x1b\\three\x00\x9b\r\n"))
	if got := d.Screen(); got != "one\n\ntwo three\uFFFD" {
		t.Errorf("screen %q", got)
	}
	d.Feed([]byte(strings.Repeat("line\r\n", 10_000) + "last"))
	if got := strings.Split(d.Screen(), "\n"); len(got) != screenLines || got[screenLines-1] != "last" {
		t.Errorf("screen %q", got)
	}
}

func TestMemoryAndTimeAreBounded(t *testing.T) {
	d := New(prompts("(a|b|c)*never$", "word: $"), true)
	chunk := []byte(strings.Repeat("abc\x1b[31mabcabc ", 80))
	began := time.Now()
	for range 2000 {
		d.Feed(chunk)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := cap(d.text) + cap(d.queue) + cap(d.recent); n > 64<<10 {
		t.Errorf("%d bytes are held", n)
	}
	again := New(prompts("+a"), false)
	if n := len(again.Feed([]byte(strings.Repeat("a", 3*maxQuestions)))); n != maxQuestions {
		t.Errorf("%d answers", n)
	}
}

func TestCompileRefusesWhatFindsNothing(t *testing.T) {
	for _, expr := range []string{"", "x*", "$", "("} {
		if _, err := Compile(expr); err == nil {
			t.Errorf("%q was taken", expr)
		}
	}
	if _, err := Compile("a$"); err != nil {
		t.Error(err)
	}
}

func FuzzFeed(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.output), uint16(len(c.output)/2))
	}
	f.Fuzz(func(t *testing.T, output []byte, cut uint16) {
		list := prompts("?word: $", "+(?m)^b", `\bok\b`)
		whole, halves := New(list, false), New(list, false)
		at := min(int(cut), len(output))
		want := fmt.Sprint(whole.Feed(output), whole.Screen())
		asked := halves.Feed(output[:at])
		if got := fmt.Sprint(append(asked, halves.Feed(output[at:])...), halves.Screen()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

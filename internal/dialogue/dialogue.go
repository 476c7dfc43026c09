package dialogue

import (
	"bytes"
	"regexp"
	"strings"
)

const (
	// windowBytes is how much fresh text is looked at, at least.
	windowBytes = 1 << 10
	// fullBytes is how much there is at most, but for the rest of a character.
	fullBytes = 2 * windowBytes
	// screenBytes and screenLines are what Screen shows at most.
	screenBytes = 1 << 10
	screenLines = 10
	// maxQuestions bounds how often prompts that may come again are answered.
	maxQuestions = 1000
)

// Prompt is what is waited for.
type Prompt struct {
	Match    *regexp.Regexp
	Optional bool // it may never come
	Repeat   bool // it may come more than once
}

// Dialogue finds the prompts in a stream of output.
type Dialogue struct {
	prompts  []Prompt
	patterns []pattern
	anyOrder bool
	asked    []int // how often each prompt was

	plain  plainText
	text   []byte // fresh text that was looked at
	queue  []byte // text behind it that was not
	recent []byte // the end of all text, for Screen
	total  int
}

// New returns a dialogue with a program that has not said anything. The prompts
// come in turn, or in any order.
func New(prompts []Prompt, anyOrder bool) *Dialogue {
	d := &Dialogue{prompts: prompts, anyOrder: anyOrder, asked: make([]int, len(prompts))}
	for _, p := range prompts {
		d.patterns = append(d.patterns, newPattern(p.Match))
	}
	return d
}

// Feed takes the next bytes of the output and returns the prompts that were
// asked with them, by index and in order.
func (d *Dialogue) Feed(p []byte) (questions []int) {
	d.queue = d.plain.append(d.queue, p)
	d.remember(d.queue)
	for len(d.queue) > 0 {
		open := d.open()
		if len(open) == 0 {
			d.text, d.queue = d.text[:0], d.queue[:0]
			return questions
		}
		d.forget()
		// Only as much as fits is looked at together, so that what is
		// forgotten when does not depend on how the output was cut.
		before := len(d.text)
		n := wholeCharacters(d.queue, fullBytes-before)
		d.text = append(d.text, d.queue[:n]...)
		prompt, end := d.search(open, before)
		if prompt < 0 {
			d.queue = append(d.queue[:0], d.queue[n:]...)
			continue
		}
		d.queue = append(d.queue[:0], d.queue[end-before:]...)
		d.text = d.text[:0]
		d.asked[prompt]++
		d.total++
		questions = append(questions, prompt)
	}
	return questions
}

// search returns the prompt that is asked first, and where its question ends.
func (d *Dialogue) search(open []int, from int) (prompt, end int) {
	prompt = -1
	for _, i := range open {
		at := d.patterns[i].found(d.text, from)
		if at >= 0 && (prompt < 0 || at < end) {
			prompt, end = i, at
		}
	}
	return prompt, end
}

// forget makes room when the fresh text is full.
func (d *Dialogue) forget() {
	if len(d.text) < fullBytes {
		return
	}
	rest := d.text[len(d.text)-windowBytes:]
	if at := bytes.IndexByte(rest, '\n'); at >= 0 && at < windowBytes/2 {
		rest = rest[at+1:] // so that ^ is the beginning of a line
	}
	for len(rest) > 0 && rest[0]&0xc0 == 0x80 {
		rest = rest[1:]
	}
	d.text = append(d.text[:0], rest...)
}

// wholeCharacters returns how many bytes the whole characters have that begin
// within the first n.
func wholeCharacters(text []byte, n int) int {
	n = min(n, len(text))
	for n < len(text) && text[n]&0xc0 == 0x80 {
		n++
	}
	return n
}

// open are the prompts that may be asked now, by index.
func (d *Dialogue) open() []int {
	var open []int
	if d.total >= maxQuestions {
		return nil
	}
	from := 0
	if !d.anyOrder {
		from = d.last()
	}
	for i := from; i < len(d.prompts); i++ {
		p := d.prompts[i]
		if d.asked[i] == 0 || p.Repeat {
			open = append(open, i)
		}
		if !d.anyOrder && d.asked[i] == 0 && !p.Optional {
			break
		}
	}
	return open
}

// last is the prompt that was asked last when they come in turn, 0 before any.
func (d *Dialogue) last() int {
	for i := len(d.asked) - 1; i >= 0; i-- {
		if d.asked[i] > 0 {
			return i
		}
	}
	return 0
}

// Awaited are the required prompts that may be asked now and were not yet, by
// index: the one whose turn it is, or all.
func (d *Dialogue) Awaited() []int {
	var awaited []int
	for _, i := range d.open() {
		if d.asked[i] == 0 && !d.prompts[i].Optional {
			awaited = append(awaited, i)
		}
	}
	return awaited
}

// Over reports whether no prompt can be asked any more.
func (d *Dialogue) Over() bool { return len(d.open()) == 0 }

// Asked returns how often a prompt was asked.
func (d *Dialogue) Asked(prompt int) int { return d.asked[prompt] }

// Screen returns the last lines that the program wrote, without escape sequences
// and control characters. It is text from outside.
func (d *Dialogue) Screen() string {
	lines := strings.Split(strings.TrimRight(string(d.recent), " \t\n"), "\n")
	var shown []string
	for _, line := range lines {
		line = strings.TrimRight(line, " \t")
		if line != "" || len(shown) > 0 && shown[len(shown)-1] != "" {
			shown = append(shown, line)
		}
	}
	return strings.Join(shown[max(0, len(shown)-screenLines):], "\n")
}

func (d *Dialogue) remember(text []byte) {
	d.recent = append(d.recent, text...)
	if over := len(d.recent) - screenBytes; over > 0 {
		d.recent = append(d.recent[:0], d.recent[over:]...)
		for len(d.recent) > 0 && d.recent[0]&0xc0 == 0x80 {
			d.recent = d.recent[1:]
		}
	}
}

package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jmespath-community/go-jmespath"
	"github.com/zclconf/go-cty/cty"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// streamTest is one line of a stdout or stderr block.
type streamTest struct {
	stream  string // stdout or stderr
	kind    string // equals contains matches empty lines json
	negated bool
	attr    *hclspec.Attribute
}

// name is how people are told which test it was: `stdout not_contains`.
func (t streamTest) name() string { return t.stream + " " + t.attr.Name }

// streamTests returns the tests of a step, in source order.
func streamTests(decl *hclspec.Step) []streamTest {
	if decl.Expect == nil {
		return nil
	}
	var tests []streamTest
	add := func(stream string, blocks []*hclspec.StreamExpect) {
		for _, block := range blocks {
			for _, attr := range block.Tests {
				kind, negated := strings.CutPrefix(attr.Name, "not_")
				tests = append(tests, streamTest{stream: stream, kind: kind, negated: negated, attr: attr})
			}
		}
	}
	add("stdout", decl.Expect.Stdout)
	add("stderr", decl.Expect.Stderr)
	slices.SortStableFunc(tests, func(a, b streamTest) int { return cmp.Compare(a.attr.Range.Start.Byte, b.attr.Range.Start.Byte) })
	return tests
}

// wants reads what a test compares with.
func (t streamTest) wants(v cty.Value) (wanted, error) {
	var w wanted
	v = bare(v)
	bad := func(noun string) (wanted, error) {
		return w, fmt.Errorf("%q has to be %s, and it is %s", t.attr.Name, noun, shown(v))
	}
	texts, isText := textsOf(v)
	switch t.kind {
	case "empty":
		if v.IsNull() || v.Type() != cty.Bool {
			return bad("true or false")
		}
		w.yes = v.True()
		return w, nil
	case "lines":
		n, err := strconv.ParseInt(strings.Join(texts, ","), 10, 64)
		if err != nil || n < 0 {
			return bad("a number of lines")
		}
		w.lines = n
		return w, nil
	case "equals":
		if !isText || !v.Type().IsPrimitiveType() {
			return bad("a string")
		}
	default:
		if !isText || len(texts) == 0 {
			return bad("a string or a list of strings")
		}
		if slices.Contains(texts, "") {
			return w, fmt.Errorf("%q has an empty string, which is found in everything; use \"empty\" or \"lines\"", t.attr.Name)
		}
	}
	w.texts = texts
	return w, w.compile(t)
}

// wanted is what a test compares a stream with.
type wanted struct {
	texts    []string // equals one; of the others every one has to hold
	patterns []*regexp.Regexp
	queries  []jmespath.JMESPath
	yes      bool
	lines    int64
}

func (w *wanted) compile(t streamTest) error {
	for _, text := range w.texts {
		switch t.kind {
		case "matches":
			pattern, err := regexp.Compile(text)
			if err != nil {
				return fmt.Errorf("%s is no regular expression of RE2: %w", strconv.Quote(clipText(text, 80)), err)
			}
			w.patterns = append(w.patterns, pattern)
		case "json":
			query, err := compile(text)
			if err != nil {
				return fmt.Errorf("%s is no JMESPath expression: %w", strconv.Quote(clipText(text, 80)), err)
			}
			w.queries = append(w.queries, query)
		}
	}
	return nil
}

// finding is what a stream was found to be.
type finding struct {
	holds bool // without not_
	got   string
	err   error // it cannot be said
}

// look applies a test to a stream.
func (t streamTest) look(r *Recording, w wanted) finding {
	switch t.kind {
	case "empty":
		return finding{holds: (r.bytes == 0) == w.yes, got: r.end()}
	case "lines":
		return finding{holds: r.lines() == w.lines, got: plural(r.lines(), "line")}
	case "equals":
		return t.equals(r, w)
	case "contains":
		return t.contains(r, w)
	case "matches":
		return t.matches(r, w)
	case "json":
		return t.json(r, w)
	}
	return finding{err: fmt.Errorf("%q is no expectation of a stream", t.attr.Name)}
}

func (t streamTest) equals(r *Recording, w wanted) finding {
	watcher, ok := r.watching[t.attr].(*equalsWatcher)
	if !ok || watcher.wanted != w.texts[0] {
		if !r.whole() {
			return finding{err: t.tooLong(r)}
		}
		watcher = newEqualsWatcher(w.texts[0])
		watcher.watch(r.kept)
	}
	if watcher.equal() {
		return finding{holds: true, got: r.end()}
	}
	return finding{got: r.difference(watcher)}
}

func (t streamTest) contains(r *Recording, w wanted) finding {
	watcher, ok := r.watching[t.attr].(*containsWatcher)
	if !ok || !slices.Equal(watcher.wanted, w.texts) {
		if !r.whole() {
			return finding{err: t.tooLong(r)}
		}
		watcher = newContainsWatcher(w.texts)
		watcher.watch(r.kept)
	}
	return t.each(r, w, func(i int) (int, bool) {
		return strings.Index(string(r.kept), w.texts[i]), watcher.found[i]
	})
}

func (t streamTest) matches(r *Recording, w wanted) finding {
	undecided := false
	f := t.each(r, w, func(i int) (int, bool) {
		at := w.patterns[i].FindIndex(r.kept)
		// A match at the very end of what was kept might not be one in the
		// whole stream.
		if !r.whole() && (at == nil || at[1] == len(r.kept)) {
			undecided = true
			return -1, false
		}
		if at == nil {
			return -1, false
		}
		return at[0], true
	})
	if undecided {
		return finding{err: t.tooLong(r)}
	}
	return f
}

// each looks for several texts. Of a negated test none may be there, of any
// other all have to be.
func (t streamTest) each(r *Recording, w wanted, find func(int) (int, bool)) finding {
	all, missing := true, ""
	for i, text := range w.texts {
		at, found := find(i)
		if found && t.negated {
			f := finding{holds: true, got: r.around(at)}
			if len(w.texts) > 1 {
				f.got = strconv.Quote(clipText(text, 80)) + " in " + f.got
			}
			return f
		}
		if !found {
			all = false
			if missing == "" && len(w.texts) > 1 {
				missing = "no " + strconv.Quote(clipText(text, 80)) + " in "
			}
		}
	}
	return finding{holds: all, got: missing + r.end()}
}

// json evaluates queries. As with texts, of a negated test none may be true,
// of any other all have to be.
func (t streamTest) json(r *Recording, w wanted) finding {
	if !r.whole() {
		return finding{err: t.tooLong(r)}
	}
	var document any
	if err := json.Unmarshal(r.kept, &document); err != nil {
		return finding{got: "no JSON (" + err.Error() + "): " + r.end()}
	}
	for i, query := range w.queries {
		result, err := search(query, document)
		if err != nil {
			return finding{err: fmt.Errorf("%s cannot be evaluated: %w", strconv.Quote(clipText(w.texts[i], 80)), err)}
		}
		if (result == true) != t.negated {
			continue
		}
		encoded, _ := json.Marshal(result)
		got := clipText(string(encoded), 200)
		if len(w.texts) > 1 {
			got += " from " + strconv.Quote(clipText(w.texts[i], 80))
		}
		return finding{holds: t.negated, got: got}
	}
	return finding{holds: !t.negated, got: strconv.FormatBool(!t.negated)}
}

// compile reads a query, which may be a captured value: the library's panics on
// some text must not end the program.
func compile(text string) (query jmespath.JMESPath, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("internal error (%T)", cause)
		}
	}()
	return jmespath.Compile(text)
}

// search evaluates a query on what a target wrote; neither may end the
// program.
func search(query jmespath.JMESPath, document any) (result any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("internal error (%T)", cause)
		}
	}()
	return query.Search(document)
}

func (t streamTest) tooLong(r *Recording) error {
	return fmt.Errorf("%s has %d bytes, and %q reads the first %d only. Use \"contains\", or make the command write less",
		t.stream, r.bytes, t.attr.Name, r.bound())
}

// expected is what a test wants, for people.
func (t streamTest) expected(w wanted) string {
	quoted := make([]string, len(w.texts))
	for i, text := range w.texts {
		quoted[i] = strconv.Quote(clipText(text, 200))
	}
	list := strings.Join(quoted, ", ")
	switch t.kind {
	case "empty":
		if w.yes != t.negated {
			return "no output"
		}
		return "some output"
	case "lines":
		list = plural(w.lines, "line")
	case "json":
		list += " to be true"
	}
	if t.negated {
		return "not " + list
	}
	return list
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

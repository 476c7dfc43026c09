package awscli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The CLI parses its command line with Python's argparse, in passes that each
// take what they know and leave the rest to the next. What follows does as
// argparse of Python 3.13 does, with its abbreviations, its rules for "--" and
// the order of its complaints.

// A pass is one parser with its options and at most one positional argument.
type pass struct {
	options    []Option
	required   []string
	positional string // "", "one" or "maybe"
	usage      string
}

// parsed is what one pass made of the arguments.
type parsed struct {
	values   map[string]string // of options with values
	flags    map[string]bool
	word     string // the positional argument
	version  bool   // --version: nothing after it counts
	leftover []string
}

// An occurrence is an argument that looks like an option.
type occurrence struct {
	option   *Option // nil for one that this pass does not know
	value    string  // what came after =
	hasValue bool
}

type passRun struct {
	*pass
	args    []string
	options map[int]occurrence
	pattern []byte // for each argument: O an option, A another, - the first "--"
	out     parsed
	seen    map[string]bool
	taken   bool // the positional argument
}

func (p *pass) parse(args []string) (*parsed, error) {
	r := &passRun{pass: p, args: args, options: map[int]occurrence{}, seen: map[string]bool{}, taken: p.positional == ""}
	r.out.values, r.out.flags = map[string]string{}, map[string]bool{}
	last, err := r.classify()
	if err != nil {
		return nil, err
	}
	at := 0
	for at <= last {
		next := at
		for _, ok := r.options[next]; !ok; _, ok = r.options[next] {
			next++
		}
		if at != next {
			if after := r.consumeWord(at); after > at {
				at = after
				continue
			}
			r.out.leftover = append(r.out.leftover, args[at:next]...)
			at = next
		}
		if at, err = r.consumeOption(at); err != nil || r.out.version {
			return &r.out, err
		}
	}
	at = r.consumeWord(at)
	r.out.leftover = append(r.out.leftover, args[at:]...)
	return &r.out, r.missing()
}

// classify tells options from other arguments and returns the place of the
// last option, -1 without one.
func (r *passRun) classify() (last int, err error) {
	last = -1
	for i, arg := range r.args {
		if arg == "--" {
			r.pattern = append(r.pattern, '-')
			for range r.args[i+1:] {
				r.pattern = append(r.pattern, 'A')
			}
			break
		}
		o, is, err := r.recognise(arg)
		if err != nil {
			return 0, err
		}
		if !is {
			r.pattern = append(r.pattern, 'A')
			continue
		}
		r.pattern = append(r.pattern, 'O')
		r.options[i] = o
		last = i
	}
	return last, nil
}

var negativeNumber = regexp.MustCompile(`^-\d+\n?$|^-\d*\.\d+\n?$`)

// recognise says whether an argument looks like an option, and which it is: by
// its name or by a beginning that only one option has.
func (r *passRun) recognise(arg string) (o occurrence, is bool, err error) {
	if !strings.HasPrefix(arg, "-") || arg == "-" {
		return o, false, nil
	}
	if option := r.find(arg); option != nil {
		return occurrence{option: option}, true, nil
	}
	name, value, hasValue := strings.Cut(arg, "=")
	if option := r.find(name); option != nil && hasValue {
		return occurrence{option, value, true}, true, nil
	}
	if strings.HasPrefix(arg, "--") {
		var names []string
		for i, option := range r.pass.options {
			if strings.HasPrefix("--"+option.Name, name) {
				names = append(names, "--"+option.Name)
				o = occurrence{&r.pass.options[i], value, hasValue}
			}
		}
		if len(names) > 1 {
			return o, false, r.wrong("ambiguous option: %s could match %s", arg, strings.Join(names, ", "))
		}
		if len(names) == 1 {
			return o, true, nil
		}
	}
	return occurrence{}, !negativeNumber.MatchString(arg) && !strings.Contains(arg, " "), nil
}

func (r *passRun) find(arg string) *Option {
	i := slices.IndexFunc(r.pass.options, func(o Option) bool { return "--"+o.Name == arg })
	if i < 0 {
		return nil
	}
	return &r.pass.options[i]
}

// consumeOption takes the option at a place and its value, and returns the
// place after them.
func (r *passRun) consumeOption(at int) (int, error) {
	o := r.options[at]
	if o.option == nil {
		r.out.leftover = append(r.out.leftover, r.args[at])
		return at + 1, nil
	}
	name := o.option.Name
	r.seen[name] = true
	follows := at+1 < len(r.args) && r.pattern[at+1] == 'A'
	switch {
	case o.option.Kind == Flag || o.option.Kind == Version:
		if o.hasValue {
			return 0, r.wrong("argument --%s: ignored explicit argument %s", name, stringRepr(o.value))
		}
		r.out.flags[name] = true
		r.out.version = o.option.Kind == Version
		return at + 1, nil
	case o.hasValue:
		return at + 1, r.take(o.option, o.value)
	case follows:
		return at + 2, r.take(o.option, r.args[at+1])
	case o.option.Kind == Maybe:
		return at + 1, r.take(o.option, o.option.Choices[0])
	}
	return 0, r.wrong("argument --%s: expected one argument", name)
}

func (r *passRun) take(option *Option, value string) error {
	if option.Choices != nil && !slices.Contains(option.Choices, value) {
		reason := fmt.Sprintf("argument --%s: Found invalid choice '%s'\n", option.Name, value)
		if near := closeMatches(value, option.Choices); near != nil {
			reason += "\nMaybe you meant:\n\n  * " + strings.Join(near, "\n  * ")
		}
		return r.wrong("%s", reason)
	}
	r.out.values[option.Name] = value
	return nil
}

// consumeWord takes the positional argument, with the "--" next to it, if one
// may stand at a place, and returns the place after it.
func (r *passRun) consumeWord(at int) int {
	if r.taken {
		return at
	}
	i := at
	for i < len(r.args) && r.pattern[i] == '-' {
		i++
	}
	has := i < len(r.args) && r.pattern[i] == 'A'
	if !has && r.positional == "one" {
		return at
	}
	if r.taken = true; has {
		r.out.word = r.args[i]
		i++
	}
	for i < len(r.args) && r.pattern[i] == '-' {
		i++
	}
	return i
}

func (r *passRun) missing() error {
	var names []string
	for _, name := range r.required {
		if !r.seen[name] {
			names = append(names, "--"+name)
		}
	}
	if names == nil {
		return nil
	}
	return r.wrong("the following arguments are required: %s", strings.Join(names, ", "))
}

func (r *passRun) wrong(format string, args ...any) error {
	return badArguments(fmt.Sprintf(format, args...), r.usage)
}

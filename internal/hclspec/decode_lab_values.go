package hclspec

import (
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// number decodes a literal number between two limits.
func (b *body) number(name string, least, most float64) (float64, bool) {
	v, ok := b.literal(name, cty.Number)
	if !ok {
		return 0, false
	}
	f, _ := v.AsBigFloat().Float64()
	if f < least || f > most {
		b.d.complain(b.attrs[name].Expr.Range(), "Out of range", "%q has to be between %s and %s.",
			name, strconv.FormatFloat(least, 'f', -1, 64), strconv.FormatFloat(most, 'f', -1, 64))
		return 0, false
	}
	return f, true
}

func (b *body) whole(name string, fallback, least, most int) int {
	f, ok := b.number(name, float64(least), float64(most))
	if !ok {
		return fallback
	}
	if f != float64(int(f)) {
		b.d.complain(b.attrs[name].Expr.Range(), "Wrong type", "%q has to be a whole number.", name)
		return fallback
	}
	return int(f)
}

// share decodes a share of messages.
func (b *body) share(name string, fallback float64) float64 {
	if f, ok := b.number(name, 0, 1); ok {
		return f
	}
	return fallback
}

// span decodes a literal duration.
func (b *body) span(name string, fallback time.Duration) time.Duration {
	text, ok := b.text(name)
	if !ok {
		return fallback
	}
	d, ok := parseSpan(text, false)
	if !ok {
		b.d.complain(b.attrs[name].Expr.Range(), "Invalid duration",
			"%q is no duration of at most a day. Write a number with a unit, such as \"25ms\" or \"2s\".", text)
		return fallback
	}
	return d
}

// spanOrNever decodes a literal duration that is more than nothing, or `never`,
// which is 0.
func (b *body) spanOrNever(name string, fallback time.Duration) time.Duration {
	text, ok := b.text(name)
	if !ok {
		return fallback
	}
	d, ok := parseSpan(text, true)
	switch {
	case d == Never:
		return 0
	case !ok || d == 0:
		b.d.complain(b.attrs[name].Expr.Range(), "Invalid duration",
			"%q is no duration above zero and of at most a day. Write a number with a unit, such as \"25ms\" or \"2s\", or \"never\".", text)
		return fallback
	}
	return d
}

// parseSpan reads a duration of at most a day, or, where that is meant, `never`.
func parseSpan(text string, never bool) (time.Duration, bool) {
	if text == "never" && never {
		return Never, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0 && d <= 24*time.Hour
}

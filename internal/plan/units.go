package plan

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// parseDuration reads a length of time such as "90s", "1.5h" or "2d".
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n <= 365 {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no length of time; write it like \"30s\", \"5m\" or \"1h30m\"", text)
	}
	return d, nil
}

// parseSize reads a number of bytes such as "64MiB" or "10MB".
func parseSize(text string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1},
	}
	for _, unit := range units {
		number, ok := strings.CutSuffix(strings.TrimSpace(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.factor {
			break
		}
		return n * unit.factor, nil
	}
	return 0, fmt.Errorf("%q is no size; write it like \"64MiB\", or as a number of bytes", text)
}

// share is a number of jobs, or a percentage of them.
type share struct {
	number  int
	percent *big.Rat // nil for a number
}

// parseShare reads a whole number of at least 0, or text such as "10%".
func parseShare(v cty.Value) (share, error) {
	text, _ := textOf(v)
	if number, ok := strings.CutSuffix(text, "%"); ok && v.Type() == cty.String && plainDecimal(number) {
		percent, ok := new(big.Rat).SetString(number)
		if ok && percent.Cmp(big.NewRat(100, 1)) <= 0 {
			return share{percent: percent}, nil
		}
		return share{}, fmt.Errorf("%q is over 100%%", text)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return share{}, fmt.Errorf("%s is neither a whole number nor a percentage such as \"10%%\"", shown(v))
	}
	return share{number: n}, nil
}

func plainDecimal(s string) bool {
	return s != "" && len(s) <= 12 && strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") <= 1 && s != "."
}

// of returns the share of n jobs, percentages rounded up, at most n.
func (s share) roundedUp(n int) int {
	if s.percent == nil {
		return min(s.number, n)
	}
	part := s.part(n)
	quotient, rest := new(big.Int).QuoRem(part.Num(), part.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		quotient.Add(quotient, big.NewInt(1))
	}
	return int(quotient.Int64())
}

// roundedDown returns the share of n jobs, percentages rounded down.
func (s share) roundedDown(n int) int {
	if s.percent == nil {
		return s.number
	}
	part := s.part(n)
	return int(new(big.Int).Quo(part.Num(), part.Denom()).Int64())
}

func (s share) part(n int) *big.Rat {
	part := new(big.Rat).Mul(s.percent, big.NewRat(int64(n), 1))
	return part.Quo(part, big.NewRat(100, 1))
}

// shown returns a value as a message may quote it.
func shown(v cty.Value) string {
	if v.ContainsMarked() {
		return masked
	}
	if text, ok := textOf(v); ok {
		if v.Type() == cty.String {
			return strconv.Quote(clipText(text, 60))
		}
		return text
	}
	if v.IsNull() {
		return "null"
	}
	return withArticle(v.Type().FriendlyName())
}

// clipText cuts a long text at a rune.
func clipText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xC0 == 0x80 {
		limit--
	}
	return s[:limit] + "…"
}

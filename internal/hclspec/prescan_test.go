package hclspec

import (
	"strings"
	"testing"
	"time"
)

// bombs are files that kill hcl's parser or evaluator, or that make them slow.
// Each is refused with a diagnostic.
func bombs() map[string]string {
	expr := func(s string) string { return "locals {\n  a = " + s + "\n}\n" }
	nest := func(open, middle, shut string, n int) string {
		return expr(strings.Repeat(open, n) + middle + strings.Repeat(shut, n))
	}
	return map[string]string{
		"parentheses":    nest("(", "1", ")", 80_000),
		"brackets":       nest("[", "1", "]", 90_000),
		"braces":         nest("{a=", "1", "}", 90_000),
		"open brackets":  nest("[", "", "", 150_000),
		"bangs":          nest("!", "true", "", 150_000),
		"minuses":        nest("-", "1", "", 150_000),
		"bangs in paren": nest("!(", "true", ")", 50_000),
		"templates":      nest(`"${`, "1", `}"`, 50_000),
		"heredocs":       nest("\"${<<E\n", "1", "\nE\n}\"", 20_000),
		"conditions":     nest("true ? 1 : ", "1", "", 90_000),
		"operators":      nest("1 + ", "1", "", 90_000),
		"indexes":        nest("", "x"+strings.Repeat("[y]", 150_000), "", 1),
		"splats":         nest("", "x"+strings.Repeat("[*]", 150_000), "", 1),
		"attr splats":    nest("", "x"+strings.Repeat(".*.a", 150_000), "", 1),
		"calls":          nest("upper(", "1", ")", 90_000),
		"fors":           nest("[for x in [1] : ", "1", "]", 20_000),
		"if directives":  expr(`"` + strings.Repeat("%{ if true }", 50_000) + strings.Repeat("%{ endif }", 50_000) + `"`),
		"for directives": expr(`"` + strings.Repeat("%{ for x in [1] }", 50_000) + `"`),
		"blocks":         strings.Repeat("a {\n", 90_000) + strings.Repeat("}\n", 90_000),
		"number":         expr("1e999999999"),
		"digits":         expr(strings.Repeat("9", 150_000)),
		"tokens":         nest("[", "", "", 3_000_000),
		"size":           strings.Repeat("# comment\n", 500_000),
		"iterations":     expr("[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : 1]]]"),
		"text":           expr(`join("", [for a in range(1000) : join("", [for b in range(1000) : format("%1000d", 1)])])`),
		"format":         expr(`format("%1000000000d", 1)`),
		"replace":        expr(`replace(join("", [for a in range(1000) : format("%1000d", 1)]), " ", join("", [for a in range(1000) : "xxxxxxxxxx"]))`),
		"product":        expr("setproduct(range(1000), range(1000), range(1000))"),
		"power":          expr(`"${1e4000 * 1e4000 * 1e4000 * 1e4000 * 1e4000 * 1e4000}"`),
		"yaml":           expr(`yamldecode("a: &a [x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n")`),
		"json":           expr(`jsondecode(join("", [for i in range(1000) : "["]))`),
		"template text":  "locals {\n  t = join(\"\", [for i in range(1000) : \"$${\"])\n  a = templatestring(local.t, {})\n}\n",
	}
}

// TestBombsAreRefused: a hostile file ends in a diagnostic, quickly. That the
// process is still there is half of the test.
func TestBombsAreRefused(t *testing.T) {
	for name, src := range bombs() {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, diags := loadSources(map[string]string{"bomb.ssm.hcl": src})
			if name != "template text" && !diags.HasErrors() {
				t.Error("no complaint")
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestJSONBombsAreRefused(t *testing.T) {
	for name, src := range map[string]string{
		"arrays":    `{"locals": {"a": ` + strings.Repeat("[", 90_000) + strings.Repeat("]", 90_000) + "}}",
		"objects":   strings.Repeat(`{"a":`, 90_000) + "1" + strings.Repeat("}", 90_000),
		"templates": `{"locals": {"a": "` + strings.Repeat(`${[`, 50_000) + `"}}`,
		"number":    `{"locals": {"a": 1e999999999}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, diags := loadSources(map[string]string{"bomb.ssm.json": src}); !diags.HasErrors() {
				t.Error("no complaint")
			}
		})
	}
}

// TestDeepIsNotTooDeep: what people write is far from the limits.
func TestDeepIsNotTooDeep(t *testing.T) {
	for name, src := range map[string]string{
		"brackets":  strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"operators": strings.Repeat("1 + ", 500) + "1",
		"list":      "[" + strings.Repeat("-1 * 2,\n", 5_000) + "]",
		"template":  `"` + strings.Repeat("${true ? 1 : 2}", 5_000) + `"`,
		"strings":   `["((((((((", ` + strings.Repeat(`"[[[[[[", `, 1_000) + `"{{{{"]`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, diags := loadSources(map[string]string{"a.ssm.hcl": "locals {\n  a = " + src + "\n}\n"}); diags.HasErrors() {
				t.Error(diags)
			}
		})
	}
}

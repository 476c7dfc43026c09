package hclspec

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
)

// prescanJSON is prescan for JSON syntax: the depth of the document, and of the
// templates in its strings. What is not JSON is left for the parser to refuse.
func prescanJSON(name string, src []byte) hcl.Diagnostics {
	var diags hcl.Diagnostics
	pos := hcl.InitialPos
	depth := 0
	for i := 0; i < len(src); {
		n := 1
		switch c := src[i]; {
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return append(diags, complaint(span(name, pos, 1), "Nested too deeply",
					"Objects and arrays are more than %d deep here.", maxDepth))
			}
		case c == '}' || c == ']':
			depth--
		case c == '"':
			n = jsonString(src[i:])
			diags = append(diags, prescanJSONString(src[i:i+n], span(name, pos, n))...)
		case c == '-' || c >= '0' && c <= '9':
			for n < len(src)-i && bytes.IndexByte([]byte("0123456789+-.eE"), src[i+n]) >= 0 {
				n++
			}
			if !numberInBounds(src[i : i+n]) {
				diags = append(diags, complaint(span(name, pos, n), "Number too large",
					"A number may have at most %d digits and an exponent of at most %d.", maxDigits, maxExponent))
			}
		case c == '\n':
			pos.Line++
			pos.Column = 0
		}
		i += n
		pos.Byte += n
		pos.Column += n
	}
	return diags
}

// jsonString returns the length of the string literal that src begins with.
func jsonString(src []byte) int {
	for i := 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '\n':
			return i
		}
	}
	return len(src)
}

func prescanJSONString(literal []byte, rng hcl.Range) hcl.Diagnostics {
	if !bytes.Contains(literal, []byte("${")) && !bytes.Contains(literal, []byte("%{")) {
		return nil
	}
	var text string
	if json.Unmarshal(literal, &text) != nil {
		return nil
	}
	diags := prescanTemplate(rng.Filename, []byte(text))
	for _, diag := range diags {
		diag.Subject = rng.Ptr()
	}
	return diags
}

func span(name string, start hcl.Pos, n int) hcl.Range {
	end := start
	end.Byte += n
	end.Column += n
	return hcl.Range{Filename: name, Start: start, End: end}
}

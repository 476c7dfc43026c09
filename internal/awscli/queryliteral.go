package awscli

import (
	"encoding/json"
	"strings"
)

// quoteLiterals makes JSON of the literals that the CLI takes without quotes,
// as in [?Key==`Name`]: many queries have them, and the library refuses them.
func quoteLiterals(text string) string {
	var b strings.Builder
	for text != "" {
		i := strings.IndexAny(text, "'\"`")
		if i < 0 {
			break
		}
		b.WriteString(text[:i])
		quote := text[i]
		length := delimited(text[i:])
		token := text[i : i+length]
		if quote == '`' && length > 1 && token[length-1] == '`' {
			token = quoteLiteral(token)
		}
		b.WriteString(token)
		text = text[i+length:]
	}
	return b.String() + text
}

// delimited is the length of what stands between the delimiter at the start of
// text and the next that is not escaped, with both; without a next, of all.
func delimited(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return len(text)
}

func quoteLiteral(token string) string {
	content := strings.ReplaceAll(token[1:len(token)-1], "\\`", "`")
	if json.Valid([]byte(content)) {
		return token
	}
	quoted := `"` + strings.TrimLeftFunc(content, isSpace) + `"`
	if !json.Valid([]byte(quoted)) {
		return token // the library says what is wrong
	}
	return "`" + strings.ReplaceAll(quoted, "`", "\\`") + "`"
}

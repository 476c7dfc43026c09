package lab

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

// pageToken is what a NextToken holds: where the next page starts, and the
// digest of the request, because AWS refuses a token with other filters.
type pageToken struct {
	Start int    `json:"s"`
	Query string `json:"q"`
}

// page returns the part of n items that a request may see, and the token of
// what follows ("" at the end). ok is false when the token is not one that was
// given for this query.
func page(token *string, query any, n, size int) (from, to int, next string, ok bool) {
	text, err := json.Marshal(query)
	if err != nil {
		return 0, 0, "", false
	}
	sum := sha256.Sum256(text)
	digest := base64.RawURLEncoding.EncodeToString(sum[:9])
	if token != nil && *token != "" {
		var t pageToken
		raw, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil || json.Unmarshal(raw, &t) != nil || t.Query != digest || t.Start < 0 {
			return 0, 0, "", false
		}
		from = min(t.Start, n)
	}
	to = min(from+size, n)
	if to < n {
		raw, err := json.Marshal(pageToken{Start: to, Query: digest})
		if err != nil {
			return 0, 0, "", false
		}
		next = base64.RawURLEncoding.EncodeToString(raw)
	}
	return from, to, next, true
}

package lab

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 4, the verifier's side:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

const (
	sigAlgorithm  = "AWS4-HMAC-SHA256"
	sigTimeFormat = "20060102T150405Z"
	sigSkew       = 5 * time.Minute
)

// signature is what an Authorization header says.
type signature struct {
	keyID   string
	date    string // the day of the scope, 20060102
	region  string
	service string
	headers []string // signed headers, lower case, in the order given
	value   string   // lower-case hex
}

// verify checks that r, whose body is body, was signed with the lab's key pair
// within the clock skew. It returns the scope that the client signed for.
func (l *Lab) verify(r *http.Request, body []byte, now time.Time) (*signature, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	sig, refusal := parseAuthorization(header)
	if refusal != nil {
		return nil, refusal
	}
	if sig.keyID != l.keyID || r.Header.Get("X-Amz-Security-Token") != "" {
		return nil, refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	stamp := r.Header.Get("X-Amz-Date")
	if refusal := checkDate(stamp, sig.date, now); refusal != nil {
		return nil, refusal
	}
	if refusal := checkSignedHeaders(r, sig.headers); refusal != nil {
		return nil, refusal
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != payload {
		return nil, refuse("InvalidSignatureException", "The x-amz-content-sha256 header does not match the body.")
	}
	want := sign(l.secret, sig, stamp, canonicalRequest(r, sig.headers, payload))
	if !hmac.Equal([]byte(want), []byte(sig.value)) {
		return nil, refuse("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return sig, nil
}

func parseAuthorization(header string) (*signature, *apiError) {
	rest, ok := strings.CutPrefix(header, sigAlgorithm)
	if !ok {
		return nil, refuse("IncompleteSignatureException", "Unsupported AWS 'algorithm': only %s is known.", sigAlgorithm)
	}
	sig := &signature{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return nil, refuse("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", value)
			}
			sig.keyID, sig.date, sig.region, sig.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			sig.headers = strings.Split(value, ";")
		case "Signature":
			sig.value = value
		}
	}
	if sig.keyID == "" || len(sig.headers) == 0 || sig.value == "" {
		return nil, refuse("IncompleteSignatureException", "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.")
	}
	return sig, nil
}

func checkDate(stamp, day string, now time.Time) *apiError {
	signed, err := time.Parse(sigTimeFormat, stamp)
	if err != nil {
		return refuse("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'. Got '%s'.", stamp)
	}
	if !strings.HasPrefix(stamp, day) {
		return refuse("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", day, stamp[:8], stamp)
	}
	clock := now.UTC().Format(sigTimeFormat)
	switch {
	case now.Sub(signed) > sigSkew:
		return refuse("InvalidSignatureException", "Signature expired: %s is now earlier than %s (%s - 5 min.)", stamp, now.UTC().Add(-sigSkew).Format(sigTimeFormat), clock)
	case signed.Sub(now) > sigSkew:
		return refuse("InvalidSignatureException", "Signature not yet current: %s is still later than %s (%s + 5 min.)", stamp, now.UTC().Add(sigSkew).Format(sigTimeFormat), clock)
	}
	return nil
}

// checkSignedHeaders wants host and every x-amz- header signed, as AWS does.
func checkSignedHeaders(r *http.Request, signed []string) *apiError {
	if !slices.Contains(signed, "host") {
		return refuse("InvalidSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(signed, name) {
			return refuse("InvalidSignatureException", "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	return nil
}

// canonicalRequest is the text whose digest is signed.
func canonicalRequest(r *http.Request, signed []string, payload string) []byte {
	var b bytes.Buffer
	b.WriteString(r.Method + "\n")
	b.WriteString(canonicalPath(r.URL.EscapedPath()) + "\n")
	b.WriteString(canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range signed {
		values := r.Header.Values(name)
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		trimmed := make([]string, len(values))
		for i, v := range values {
			trimmed[i] = strings.Join(strings.Fields(v), " ")
		}
		b.WriteString(name + ":" + strings.Join(trimmed, ",") + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + payload)
	return b.Bytes()
}

// canonicalPath encodes the path as sent once more: every service but S3 signs
// it encoded twice.
func canonicalPath(escaped string) string {
	if escaped == "" {
		return "/"
	}
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		segments[i] = awsEscape(s)
	}
	return strings.Join(segments, "/")
}

func canonicalQuery(query url.Values) string {
	pairs := make([]string, 0, len(query))
	for name, values := range query {
		for _, v := range values {
			pairs = append(pairs, awsEscape(name)+"="+awsEscape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// awsEscape is percent-encoding as AWS has it: a space is %20, and only the
// unreserved characters of RFC 3986 stay.
func awsEscape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func sign(secret string, sig *signature, stamp string, canonical []byte) string {
	sum := sha256.Sum256(canonical)
	scope := sig.date + "/" + sig.region + "/" + sig.service + "/aws4_request"
	text := sigAlgorithm + "\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{sig.date, sig.region, sig.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

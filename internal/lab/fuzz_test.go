package lab

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/bounds"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

func FuzzSplitShlex(f *testing.F) {
	for _, seed := range []string{"", "a b", `echo "a b" 'c;d' e\ f # comment`, `"unclosed`, `a\`, "a#b #c\nd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var words []string
		var err error
		// A word of one character is a string of 16 bytes in a slice that grows.
		bounds.Check(t, 4<<10+64*len(s), func() { words, err = splitShlex(s) })
		if err != nil {
			return
		}
		var line strings.Builder
		for _, w := range words {
			line.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "' ")
		}
		again, err := splitShlex(line.String())
		if err != nil || strings.Join(again, "\x00") != strings.Join(words, "\x00") {
			t.Errorf("%q gave %q, which quoted again gives %q, %v", s, words, again, err)
		}
	})
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20240131/r/s/aws4_request, SignedHeaders=host, Signature=00", "20240131T000000Z")
	f.Add("AWS4-HMAC-SHA256", "")
	f.Fuzz(func(t *testing.T, header, stamp string) {
		var sig *signature
		var refusal *apiError
		// So is a signed header; net/http takes at most 1 MiB of all of them.
		bounds.Check(t, 4<<10+32*len(header), func() { sig, refusal = parseAuthorization(header) })
		if (sig == nil) == (refusal == nil) {
			t.Fatalf("%q gave %v and %v", header, sig, refusal)
		}
		if sig != nil {
			checkDate(stamp, sig.date, documentsMade)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	_, _, next, _ := page(nil, "q", 20, 10)
	f.Add(next)
	f.Fuzz(func(t *testing.T, token string) {
		var from, to int
		var ok bool
		bounds.Check(t, bounds.Wire(len(token)), func() { from, to, _, ok = page(&token, "q", 20, 10) })
		if ok && (from < 0 || from > to || to > 20) {
			t.Errorf("%q gave %d to %d", token, from, to)
		}
	})
}

// FuzzOperations gives every operation any body, behind the signature. What is
// answered is JSON, and a refusal has a code.
func FuzzOperations(f *testing.F) {
	l := startLab(f, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(3)}}, Options{})
	names := slices.Sorted(maps.Keys(operations))
	bodies := []string{"", "{}", "null", "[]", `{"Target":"i-1","DocumentName":"AWS-StartSSHSession","Parameters":{"portNumber":["22"]}}`,
		`{"SessionId":"s-1"}`, `{"MaxResults":5,"NextToken":"x","Filters":[{"Key":"tag:Role","Values":["web"]},{"Key":"PingStatus","Values":["Online"]}]}`,
		`{"Name":"AWS-StartNonInteractiveCommand"}`, `{"KeyId":"alias/ssm","NumberOfBytes":64,"EncryptionContext":{"a":"b"}}`,
		`{"CiphertextBlob":"AAAA"}`, `{"TagFilters":[{"Key":"Role","Values":["web"]}],"ResourceTypeFilters":["ssm:managed-instance"]}`,
		strings.Repeat("[", 9<<10), `{"Filters":[{}` + strings.Repeat(",{}", 2<<10) + `]}`,
		`{"Target":"i-1","Parameters":{"a":[""` + strings.Repeat(`,""`, 2<<10) + `]}}`}
	for i := range names {
		for _, body := range bodies {
			f.Add(uint8(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		op := operations[names[int(which)%len(names)]]
		var answer any
		var refusal *apiError
		// An element of three characters is a struct of some 100 bytes, in a
		// slice that grows; requests are at most of maxBody.
		bounds.Check(t, 256<<10+512*len(body), func() {
			answer, refusal = op.run(l, &call{body: body, region: l.Region(), now: time.Unix(1_700_000_000, 0)})
		})
		if refusal != nil {
			if refusal.code == "" { // KMS has no words for some of its own
				t.Errorf("%s %q: a refusal without a code", names[int(which)%len(names)], body)
			}
			return
		}
		if _, err := json.Marshal(answer); err != nil {
			t.Errorf("%s %q: %v", names[int(which)%len(names)], body, err)
		}
	})
}

// FuzzVerify signs anything with anything: no signature that was not made with
// the lab's secret is accepted.
func FuzzVerify(f *testing.F) {
	l := startLab(f, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1)}}, Options{})
	head := "AWS4-HMAC-SHA256 Credential=" + l.keyID + "/20240131/r/ssm/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)
	f.Add(head, "20240131T000000Z", "a=b&c=%20", []byte("{}"))
	f.Add(head+strings.Repeat(";host", 1<<10), "20240131T000000Z", strings.Repeat("a&", 1<<10), []byte(nil))
	f.Fuzz(func(t *testing.T, authorization, date, query string, body []byte) {
		r := httptest.NewRequest("POST", "http://lab.test/", nil)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		now := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
		var sig *signature
		var refusal *apiError
		// The canonical request repeats a header as often as it is named.
		size := len(authorization) + len(query) + len(date)*(1+strings.Count(authorization, ";"))
		bounds.Check(t, 64<<10+256*size, func() { sig, refusal = l.verify(r, body, now) })
		if refusal == nil {
			t.Fatalf("accepted %+v", sig)
		}
	})
}

package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretNeverPrints(t *testing.T) {
	type holder struct{ Token, key Secret }
	h := holder{NewSecret("canary-1"), NewSecret("canary-2")}
	_ = h.key
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", h, &h, h.Token)
	}
	json.NewEncoder(&out).Encode(h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "h", h, "s", h.Token)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "h", h, "s", h.Token)
	text := out.String()
	for _, form := range []string{"canary", fmt.Sprintf("%x", "canary"), fmt.Sprintf("%X", "canary")} {
		if strings.Contains(text, form) {
			t.Errorf("%q is in:\n%s", form, text)
		}
	}
	if h.Token.Reveal() != "canary-1" {
		t.Error("Reveal lost the text")
	}
}

func TestScrubRewritesErrorsThatQuote(t *testing.T) {
	token := NewSecret("canary")
	inner := errors.New(`parse "wss://x/?canary": bad`)
	err := scrub(fmt.Errorf("dial: %w", inner), token)
	if strings.Contains(err.Error(), "canary") || errors.Unwrap(err) != nil {
		t.Errorf("%v (%v)", err, errors.Unwrap(err))
	}
	harmless := errors.New("refused")
	if scrub(harmless, token) != harmless || scrub(nil, token) != nil {
		t.Error("changed an error without need")
	}
}

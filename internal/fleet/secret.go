package fleet

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// concealed is what a Secret prints as, whatever the verb.
const concealed = "***"

// Secret is text that must not be printed: a session's token, its stream URL,
// a secret key. Every way of formatting or marshalling it gives ***; only
// Reveal gives the text. It is kept behind a pointer because fmt cannot call
// methods of unexported fields, and prints their content instead.
type Secret struct{ text *string }

// NewSecret returns a Secret that holds text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text. The caller sends it where it belongs and keeps it
// out of errors, logs, arguments and the environment.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// String returns ***.
func (s Secret) String() string { return concealed }

// GoString returns ***.
func (s Secret) GoString() string { return concealed }

// Format writes *** for every verb.
func (s Secret) Format(f fmt.State, verb rune) { fmt.Fprint(f, concealed) }

// MarshalText returns ***, also for JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(concealed), nil }

// LogValue returns ***.
func (s Secret) LogValue() slog.Value { return slog.StringValue(concealed) }

// scrub returns err unless its text holds one of the secrets. Then it returns
// an error with the text masked that no longer unwraps to err, because what
// prints a cause would print the secret.
func scrub(err error, secrets ...Secret) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := text
	for _, s := range secrets {
		if !s.Empty() {
			clean = strings.ReplaceAll(clean, s.Reveal(), concealed)
		}
	}
	if clean == text {
		return err
	}
	return errors.New(clean)
}

package runstore

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"time"
)

// idDigits are the digits of ids, in the order in which they sort.
const idDigits = "234567abcdefghijklmnopqrstuvwxyz"

var idLetters = base32.NewEncoding(idDigits).WithPadding(base32.NoPadding)

// NewID returns a new run id for a run that starts at t, such as
// 20260102T150405-k3f7qa: ids sort by time to the millisecond, which is in the
// first two letters, and the rest is random, since the reasons of sessions
// carry it in accounts that many share.
func NewID(t time.Time) string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	t = t.UTC()
	ms := t.Nanosecond() / int(time.Millisecond)
	return t.Format("20060102T150405") + "-" + idDigits[ms/32:][:1] + idDigits[ms%32:][:1] + idLetters.EncodeToString(b[:])[:4]
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// checkID refuses ids that are no plain file name.
func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("run id %q: letters, digits, - and _ only, at most 64", id)
	}
	return nil
}

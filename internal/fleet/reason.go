package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// reasonMax is the most characters of a session's Reason.
const reasonMax = 256

// Reason returns what AWS is told as the reason of a session: the runbook's own
// text, then ssmrun/RUN/JOB, in at most 256 characters. The runbook's text is
// cut first; a job's address that is too long even so loses its middle for a
// digest, always the same for the same job. Line breaks and other control
// characters become spaces, because AWS takes none.
func Reason(runbookReason, runID, jobAddress string) string {
	mark := reasonMark(runID)
	suffix := mark + shorten(oneLine(jobAddress), reasonMax-units(mark))
	text := strings.TrimSpace(oneLine(runbookReason))
	text = strings.TrimSpace(cutTo(text, reasonMax-units(suffix)-1))
	if text == "" {
		return suffix
	}
	return text + " " + suffix
}

// reasonMark is the part of a reason by which a run's sessions are known.
func reasonMark(runID string) string { return "ssmrun/" + runID + "/" }

// oneLine replaces what is not valid in a reason.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
}

// shorten cuts text to max characters; what is cut stands in a digest.
func shorten(text string, max int) string {
	if units(text) <= max {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	digest := "~" + hex.EncodeToString(sum[:6]) + "~"
	room := max - len(digest)
	head := cutTo(text, room/2)
	tail := text
	for units(tail) > room-units(head) {
		_, size := utf8.DecodeRuneInString(tail)
		tail = tail[size:]
	}
	return head + digest + tail
}

// cutTo returns as much of the beginning of text as fits, whole runes only.
func cutTo(text string, max int) string {
	n := 0
	for i, r := range text {
		n += unitsOf(r)
		if n > max {
			return text[:i]
		}
	}
	return text
}

// units counts characters as a Java service does: a rune outside the basic
// plane is two.
func units(text string) int {
	n := 0
	for _, r := range text {
		n += unitsOf(r)
	}
	return n
}

func unitsOf(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

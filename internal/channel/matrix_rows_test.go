package channel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// matrixRows are the faults that concern a channel.
var matrixRows = []matrixRow{
	{name: "loss 5 %", columns: "HCXED", faults: func(*matrixCell) refFaults { return refFaults{loss: 0.05} }},
	{name: "loss 30 % in bursts", columns: "HCXED", faults: func(*matrixCell) refFaults { return refFaults{loss: 0.3, burst: 3} }},
	{name: "duplicates, also of what was processed", columns: "HCXED", sticky: true, meddle: lateDuplicates,
		faults: func(*matrixCell) refFaults { return refFaults{duplicate: 0.5} }, check: reacknowledged},
	{name: "reordering", columns: "HCXED", faults: func(c *matrixCell) refFaults {
		return refFaults{reorder: 0.5, lateness: time.Duration(1+c.seed%5) * 500 * time.Millisecond}
	}},
	{name: "reordering beyond the capacity", columns: "X", enter: manyMessages, meddle: firstIsLate},
	{name: "lost acknowledgements only", columns: "HCXED", meddle: loseAcks, check: noStorm},
	{name: "connection lost (FIN)", columns: "OHCXED", enter: cutSoon(false)},
	{name: "connection lost (RST)", columns: "OHCXED", enter: cutSoon(true)},
	{name: "half-open connection", columns: "OHCXED", enter: goDark},
	{name: "resume: refused, expired, throttled", columns: "CXED", enter: cutSoon(true), config: resumeIsRefused, check: exactInTheEnd},
	{name: "resume: an empty token", columns: "CXED", enter: cutSoon(true), config: resumeGivesNothing, check: sessionIsOver},
	{name: "resume: refused for good", columns: "CXED", enter: cutSoon(true), config: resumeNever, check: resumeTimedOut},
	{name: "pause and start", columns: "HCXED", enter: pausing(true), meddle: nothingInThePause, sticky: true, timeout: 4 * time.Hour},
	{name: "pause, and the start is lost", columns: "CXED", enter: pausing(false), meddle: nothingInThePause, sticky: true, timeout: 4 * time.Hour},
	{name: "agent gone", columns: "OHCXED", config: shortWaits, meddle: agentGone, sticky: true, check: endsInTime},
	{name: "channel_closed with a gap", columns: "CXE", enter: closesWithGap, meddle: neverTheOne, sticky: true, check: namesTheGap},
	{name: "channel_closed before the exit code", columns: "HCXE", enter: closes, check: exitIsMissing},
	{name: "second HandshakeComplete", columns: "CXE", enter: sends(7, `{"HandshakeTimeToComplete":1,"CustomerMessage":""}`), check: (*matrixCell).broken},
	{name: "EncChallenge out of turn", columns: "HCXE", enter: sends(8, `{"Challenge":"AAAA"}`), check: (*matrixCell).broken},
	{name: "second HandshakeRequest", columns: "CXE", enter: sends(5, requestSeparate), check: (*matrixCell).broken},
	{name: "unknown payload type", columns: "HCXE", enter: sends(99, "?"), check: (*matrixCell).broken},
	{name: "exit code that is none", columns: "CXE", enter: sends(12, "EXIT_CODE: 0x"), check: (*matrixCell).broken},
	{name: "unknown message type", columns: "HCXED", enter: unknownMessage},
	{name: "negative number", columns: "HCXE", enter: numbered(-1), check: (*matrixCell).broken},
	{name: "number MaxInt64", columns: "HCXE", enter: numbered(math.MaxInt64), check: (*matrixCell).broken},
	{name: "hostile lengths", columns: "HCXE", enter: hostileLengths, check: (*matrixCell).broken},
	{name: "payload bits flipped", columns: "HCXED", meddle: flipPayload},
	{name: "header bits flipped", columns: "HCXED", lax: true, meddle: flipHeader, check: neverWrong},
	{name: "digest wrong for good", columns: "X", meddle: flipAll, check: givenUp},
	{name: "writer stalls for 30 s", columns: "XE", config: stallingWriter},
	{name: "dates an hour off", columns: "HCXED", meddle: otherDates},
	{name: "KMS denied", columns: "H", sealed: true, config: kmsDenies, check: encryptionFailed},
	{name: "KMS black hole", columns: "H", sealed: true, config: kmsHangs, check: encryptionFailed},
	{name: "KMS: another key is pinned", columns: "H", sealed: true, config: otherKeyPinned, check: encryptionFailed},
	{name: "KMS: context mismatch", columns: "H", sealed: true, config: otherContext, check: encryptionFailed},
	{name: "KMS: keys differ", columns: "H", sealed: true, config: otherPlaintext, check: (*matrixCell).broken},
	{name: "nonce replay", columns: "X", sealed: true, enter: replays, check: (*matrixCell).broken},
	{name: "short ciphertext", columns: "CXE", sealed: true, enter: inClear("short"), check: (*matrixCell).broken},
	{name: "payload in the clear", columns: "CXE", sealed: true, enter: inClear(strings.Repeat("clear", 20)), check: (*matrixCell).broken},
}

func isData(frame []byte) bool { return frame[4] == 'o' || frame[4] == 'i' }

// lateDuplicates sends some messages again long after they were processed.
func lateDuplicates(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	if c.counter++; c.counter%4 == 0 && toClient && isData(frame) && c.g.client != nil {
		c.g.push(refEvent{at: time.Since(c.g.start) + 150*time.Millisecond, conn: c.g.client, frame: bytes.Clone(frame), toClient: true})
	}
	return frame, true
}

// reacknowledged: every message that the agent sent was acknowledged.
func reacknowledged(c *matrixCell, err error) {
	c.exact(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	again := 0
	for _, n := range c.acks {
		again += n - 1
	}
	if c.column != colDrain && c.column != colExit && again <= 0 {
		c.Error("no duplicate was acknowledged again")
	}
}

// manyMessages queues more than a receiver keeps.
func manyMessages(c *matrixCell) {
	more := bytes.Repeat([]byte("z"), maxEarlyMessages+500)
	for i := range more {
		c.g.agent.send(11, more[i:i+1])
	}
	c.before = more
}

// firstIsLate loses a message until all others were sent.
func firstIsLate(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	late := toClient && frame[4] == 'o' && identity(true, frame).sequence == c.g.agent.first
	if late && c.counter < 20 {
		c.counter++
		return nil, false
	}
	return frame, true
}

func loseAcks(c *matrixCell, _ bool, frame []byte) ([]byte, bool) {
	return frame, frame[4] != 'a' || c.rng.Float64() > 0.2
}

// noStorm: less than half as much again was sent.
func noStorm(c *matrixCell, err error) {
	c.exact(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	total := int64(0)
	for _, n := range c.unique {
		total += n
	}
	if sent := c.sent[0] + c.sent[1]; total > 32<<10 && sent > total*3/2 {
		c.Errorf("%d bytes were sent for %d", sent, total)
	}
}

// cutSoon loses the connection within some messages, for up to 30 s.
func cutSoon(rude bool) func(*matrixCell) {
	return func(c *matrixCell) {
		c.g.mu.Lock()
		defer c.g.mu.Unlock()
		after := c.rng.IntN(8)
		if strings.ContainsRune("HED", c.column) {
			after = c.rng.IntN(2)
		}
		c.g.faults.cuts, c.g.made, c.g.faults.rude = []int{c.g.passed + 1 + after}, 0, rude
		c.g.faults.outage = []time.Duration{0, 2 * time.Second, 30 * time.Second}[c.rng.IntN(3)]
	}
}

// goDark makes the connection one that brings nothing any more, in either
// direction, until pings show that 45 s later.
func goDark(c *matrixCell) {
	c.g.after(time.Duration(c.rng.IntN(100))*time.Millisecond, func() {
		c.g.mu.Lock()
		dark := c.g.client
		c.g.client = nil
		c.g.mu.Unlock()
		if dark == nil {
			return
		}
		c.g.after(defaultPing+defaultPong, func() {
			c.g.mu.Lock()
			defer c.g.mu.Unlock()
			dark.fail(&TimeoutError{Layer: LayerPong, After: defaultPing + defaultPong}, true)
			c.g.heals = time.Now()
		})
	})
}

func resumeIsRefused(c *matrixCell, cfg *Config) {
	resume, asked := cfg.Resume, 0
	cfg.Resume = func(ctx context.Context) (string, error) {
		asked++
		switch asked {
		case 1:
			return "", fmt.Errorf("%w: ExpiredTokenException", ErrBusy)
		case 2:
			<-ctx.Done() // a black hole
			return "", ctx.Err()
		case 3:
			return "", fmt.Errorf("%w: ThrottlingException", ErrBusy)
		case 4:
			return "", errors.New("answer 403 that is not AWS's")
		}
		return resume(ctx)
	}
}

func exactInTheEnd(c *matrixCell, err error) {
	c.mu.Lock()
	c.reopens = 0 // it had to ask more often
	c.mu.Unlock()
	if strings.ContainsRune("ED", c.column) {
		c.truthful(err) // an exit code that came stands, after the drain's deadline
		return
	}
	c.exact(err)
}

func resumeGivesNothing(_ *matrixCell, cfg *Config) {
	cfg.Resume = func(context.Context) (string, error) { return "", nil }
}

func sessionIsOver(c *matrixCell, err error) {
	c.truthful(err)
	if errors.As(err, new(*ExitMissingError)) && !errors.Is(err, ErrSessionOver) {
		c.Errorf("ended with %v", err)
	}
}

func resumeNever(_ *matrixCell, cfg *Config) {
	cfg.Resume = func(context.Context) (string, error) {
		return "", fmt.Errorf("%w: AccessDeniedException", ErrBusy)
	}
}

func resumeTimedOut(c *matrixCell, err error) {
	c.truthful(err)
	var timeout *TimeoutError
	if errors.As(err, new(*ExitMissingError)) && (!errors.As(err, &timeout) || timeout.Layer != LayerConnection ||
		timeout.After > 2*time.Minute+time.Second || !strings.Contains(err.Error(), "AccessDenied")) {
		c.Errorf("ended with %v", err)
	}
}

// pausing is pause_publication for ten minutes, in which the service passes
// nothing on; then start_publication, or only the agent's next word.
func pausing(start bool) func(*matrixCell) {
	return func(c *matrixCell) {
		if c.column == colShake { // when the client is there
			c.g.after(2*c.base.latency, func() { pauseFor(c, 2*time.Minute, start) })
			return
		}
		pauseFor(c, 10*time.Minute, start)
	}
}

func pauseFor(c *matrixCell, long time.Duration, start bool) {
	pause := c.message("pause_publication", 0, "p")
	c.inject(pause.encode())
	c.g.after(c.base.latency, func() {
		c.mu.Lock()
		c.paused = true
		c.mu.Unlock()
	})
	c.g.agent.pause(true)
	if c.column == colStream && c.seed == 1 {
		more := bytes.Repeat([]byte("q"), 11_000)
		for i := range more {
			c.g.agent.send(11, more[i:i+1])
		}
		c.before = more
	}
	c.g.after(long, func() {
		c.mu.Lock()
		c.paused = false
		c.mu.Unlock()
		c.g.agent.pause(false)
		if start {
			m := c.message("start_publication", 0, "s")
			c.inject(m.encode())
		} else if c.at() == colCommand {
			c.g.agent.output(11, []byte("word"))
			c.before = []byte("word")
		}
	})
}

func nothingInThePause(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused && !toClient && isData(frame) {
		c.Errorf("message %d was sent in the pause", identity(false, frame).sequence)
	}
	return frame, !c.paused
}

func shortWaits(_ *matrixCell, cfg *Config) {
	cfg.StartTimeout, cfg.HandshakeTimeout, cfg.IdleTimeout = 20*time.Second, 20*time.Second, 30*time.Second
}

// agentGone passes nothing any more, after a few messages of the column.
func agentGone(c *matrixCell, _ bool, frame []byte) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == c.column || c.column == colOpen {
		c.counter++
	}
	if c.column == colOpen || c.counter > int(c.seed)%5 {
		if c.dropped == 0 {
			c.dropped, c.since = 1, time.Now()
		}
		return nil, false
	}
	return frame, true
}

func endsInTime(c *matrixCell, err error) {
	c.truthful(err)
	if took := time.Since(c.entered()); took > 32*time.Second {
		c.Errorf("ended %v after the last message: %v", took, err)
	}
	var timeout *TimeoutError
	if errors.As(err, new(*ExitMissingError)) && !errors.As(err, &timeout) {
		c.Errorf("ended with %v", err)
	}
}

// closesWithGap has some output, of which the second message never comes.
func closesWithGap(c *matrixCell) {
	c.dropped = c.g.agent.first + int64(len(c.g.agent.unacked)) + 1
	for range 4 {
		c.g.agent.output(11, []byte("word"))
	}
	c.g.after(5*time.Second, func() { c.inject(c.closing()) })
}

func neverTheOne(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	return frame, !toClient || frame[4] != 'o' || c.dropped == 0 || identity(true, frame).sequence != c.dropped
}

func namesTheGap(c *matrixCell, err error) {
	missing := wantMissing(c, err)
	if !missing.Gap || missing.MissingFrom != c.dropped || missing.MissingTo != c.dropped || missing.Output != "over" {
		c.Errorf("got %+v, want number %d to be missing", missing, c.dropped)
	}
	if want := fmt.Sprintf("messages %d to %d are missing", c.dropped, c.dropped); !strings.Contains(err.Error(), want) {
		c.Errorf("%q does not say %q", err, want)
	}
}

func closes(c *matrixCell) {
	c.g.after(c.base.latency, func() {
		if c.column == colExit {
			return
		}
		c.inject(c.closing())
	})
	if c.column == colExit {
		c.inject(c.closing()) // before the exit code is sent
	}
}

func exitIsMissing(c *matrixCell, err error) {
	if missing := wantMissing(c, err); missing.Output != "over" {
		c.Errorf("got %+v", missing)
	}
}

func sends(payloadType uint32, payload string) func(*matrixCell) {
	return func(c *matrixCell) {
		seal := c.g.agent.crypt
		if payloadType != 12 {
			c.g.agent.crypt = nil
		}
		c.g.agent.send(payloadType, []byte(payload))
		c.g.agent.crypt = seal
	}
}

func unknownMessage(c *matrixCell) {
	m := c.message("tea_break", 0, "{}")
	c.inject(m.encode())
}

func numbered(sequence int64) func(*matrixCell) {
	return func(c *matrixCell) {
		m := c.message("output_stream_data", 1, "x")
		m.sequence = sequence
		c.g.after(c.base.latency, func() { c.inject(m.encode()) })
	}
}

// hostileLengths is another length for each seed.
func hostileLengths(c *matrixCell) {
	m := c.message("output_stream_data", 1, "good")
	frame := m.encode()
	type change struct {
		at    int
		value uint32
	}
	if changes := []change{{0, math.MaxUint32}, {0, 0}, {0, 117}, {0, 115}, {0, 100_000}, {116, 0}, {116, 3}, {116, 5},
		{116, 1 << 30}, {116, math.MaxUint32}}; int(c.seed) <= len(changes) {
		binary.BigEndian.PutUint32(frame[changes[c.seed-1].at:], changes[c.seed-1].value)
	} else {
		frame = frame[:c.rng.IntN(refHeader)]
	}
	c.g.after(c.base.latency, func() { c.inject(frame) })
}

func flipPayload(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	if toClient && c.rng.Float64() < 0.05 {
		frame = bytes.Clone(frame)
		frame[refHeader+c.rng.IntN(len(frame)-refHeader)] ^= 1 << c.rng.IntN(8)
	}
	return frame, true
}

func flipHeader(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	if toClient && c.rng.Float64() < 0.05 {
		frame = bytes.Clone(frame)
		frame[c.rng.IntN(refHeader)] ^= 1 << c.rng.IntN(8)
	}
	return frame, true
}

// neverWrong: a header is not covered by the digest, but no exit code is made of
// another.
func neverWrong(c *matrixCell, err error) {
	var exit *ExitError
	if err == nil || errors.As(err, &exit) && exit.Code != 3 {
		c.Errorf("ended with %v", err)
	}
}

func flipAll(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	if toClient {
		frame = bytes.Clone(frame)
		frame[len(frame)-1] ^= 1
	}
	return frame, true
}

// givenUp: after some patience.
func givenUp(c *matrixCell, err error) {
	wantMissing(c, err)
	if !errors.Is(err, ErrDigest) {
		c.Errorf("ended with %v", err)
	}
}

// stallingWriter stops once for 30 s. What is not accepted is not acknowledged.
func stallingWriter(c *matrixCell, _ *Config) {
	c.writer = func() {
		c.mu.Lock()
		stall := !c.stalled && c.phase == c.column
		c.stalled = c.stalled || stall
		before := len(c.acks)
		c.mu.Unlock()
		if !stall {
			return
		}
		time.Sleep(30 * time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		if after := len(c.acks); after != before {
			c.Errorf("%d messages were acknowledged while the writer stalled", after-before)
		}
	}
}

func otherDates(c *matrixCell, toClient bool, frame []byte) ([]byte, bool) {
	if toClient {
		frame = bytes.Clone(frame)
		at := time.Now().Add(time.Duration(c.rng.IntN(7200)-3600) * time.Second)
		binary.BigEndian.PutUint64(frame[40:], uint64(at.UnixMilli()))
	}
	return frame, true
}

func kmsDenies(_ *matrixCell, cfg *Config) {
	cfg.DataKey = func(context.Context, string, map[string]string) ([]byte, []byte, error) {
		return nil, nil, errors.New("AccessDeniedException")
	}
}

func kmsHangs(_ *matrixCell, cfg *Config) {
	cfg.DataKey = func(ctx context.Context, _ string, _ map[string]string) ([]byte, []byte, error) {
		<-ctx.Done()
		return nil, nil, ctx.Err()
	}
}

func otherKeyPinned(_ *matrixCell, cfg *Config) { cfg.KeyID = "alias/other" }

func otherContext(_ *matrixCell, cfg *Config) {
	cfg.DataKey = func(ctx context.Context, keyID string, bound map[string]string) ([]byte, []byte, error) {
		bound["aws:ssm:TargetId"] = "i-2"
		return refDataKey(ctx, keyID, bound)
	}
}

func otherPlaintext(_ *matrixCell, cfg *Config) {
	cfg.DataKey = func(ctx context.Context, keyID string, bound map[string]string) ([]byte, []byte, error) {
		plain, sealed, err := refDataKey(ctx, keyID, bound)
		plain = bytes.Clone(plain)
		plain[0] ^= 1
		return plain, sealed, err
	}
}

func encryptionFailed(c *matrixCell, err error) {
	wantMissing(c, err)
	if !errors.As(err, new(*EncryptionError)) || c.took.Len() > 0 {
		c.Errorf("ended with %v, and the agent took %d bytes", err, c.took.Len())
	}
	var timeout *TimeoutError
	if c.row.name == "KMS black hole" && (!errors.As(err, &timeout) || timeout.Layer != LayerKey) {
		c.Errorf("ended with %v", err)
	}
}

// replays sends a ciphertext again under the next number.
func replays(c *matrixCell) {
	c.g.agent.output(1, []byte("secret"))
	sealed := bytes.Clone(c.g.agent.unacked[len(c.g.agent.unacked)-1].frame[refHeader:])
	seal := c.g.agent.crypt
	c.g.agent.crypt = nil
	c.g.agent.send(1, sealed)
	c.g.agent.crypt = seal
}

func inClear(payload string) func(*matrixCell) {
	return func(c *matrixCell) {
		seal := c.g.agent.crypt
		c.g.agent.crypt = nil
		c.g.agent.send(1, []byte(payload))
		c.g.agent.crypt = seal
	}
}

var _ io.Writer = (*matrixCell)(nil)

package channel

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// requestHandshake queues the request as the first message.
func (a *Agent) requestHandshake() {
	request, err := a.handshakeRequest()
	if err == nil {
		err = a.stream.sendNow(PayloadHandshakeRequest, request)
	}
	if err != nil {
		a.fail("request handshake: " + err.Error())
	}
}

func (a *Agent) handshakeRequest() ([]byte, error) {
	request := HandshakeRequest{AgentVersion: a.cfg.AgentVersion}
	ask := func(action ActionType, parameters any) error {
		text, err := json.Marshal(parameters)
		request.RequestedClientActions = append(request.RequestedClientActions, RequestedAction{action, text})
		return err
	}
	properties := a.cfg.Properties
	if properties == nil {
		properties = json.RawMessage("null")
	}
	if err := ask(ActionSessionType, SessionTypeParameters{a.cfg.SessionType, properties}); err != nil {
		return nil, err
	}
	if e := a.cfg.Encryption; e != nil {
		a.request = base64.StdEncoding.EncodeToString(unguessable(challengeSize))
		if err := ask(ActionKMSEncryption, KMSParameters{e.KeyID, a.request}); err != nil {
			return nil, err
		}
	}
	return json.Marshal(request)
}

// handshakeResponse goes on with the handshake, or ends the session when the
// client could not do what was asked.
func (a *Agent) handshakeResponse(payload []byte) error {
	response, err := ParseHandshakeResponse(payload)
	if err != nil {
		return err
	}
	if len(response.ProcessedClientActions) == 0 {
		a.fail("client processed no action")
		return nil
	}
	for _, action := range response.ProcessedClientActions {
		if action.ActionStatus != ActionSuccess {
			// The agent's own words. (V g0-kms-client-action-failed)
			a.fail(fmt.Sprintf("%s failed on client with status %d error: %s",
				action.ActionType, action.ActionStatus, action.Error))
			return nil
		}
	}
	a.mu.Lock()
	a.version = response.ClientVersion
	a.mu.Unlock()
	if a.cfg.Encryption != nil {
		return a.takeKey(response.ProcessedClientActions)
	}
	a.agreed = true
	return nil
}

// completeHandshake lets data flow. It comes behind the acknowledgement of the
// client's last answer: that is the order of most recorded sessions (V
// d-portforward-http, g-kms-nonint-separate), and AWS's plugin needs it. While
// the plugin prepares to multiplex, which the completion starts, any message
// stops its reader for good (session-manager-plugin,
// session/portsession/muxportforwarding.go, IsStreamNotSet).
func (a *Agent) completeHandshake() error {
	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.complete = true
	complete := HandshakeComplete{
		HandshakeTimeToComplete: time.Since(a.started),
		CustomerMessage:         a.cfg.CustomerMessage,
	}
	a.mu.Unlock()
	text, err := json.Marshal(complete)
	if err == nil {
		err = a.stream.sendNow(PayloadHandshakeComplete, text)
	}
	if err != nil {
		return fmt.Errorf("complete handshake: %w", err)
	}
	a.stream.release(true)
	close(a.ready)
	return nil
}

func (a *Agent) handshakeTimedOut() {
	a.mu.Lock()
	late := a.complete
	a.mu.Unlock()
	if !late {
		a.fail("Handshake timed out. Please ensure that you have the latest version of the session manager plugin.")
	}
}

// fail ends the session with the reason. It is called from the
// receiving goroutine, for which end would wait, so that part goes on alone;
// it ends at the latest with lingerTimeout.
func (a *Agent) fail(reason string) {
	a.mu.Lock()
	if a.err == nil {
		a.err = errors.New(reason)
	}
	a.mu.Unlock()
	go a.end(reason, true)
}

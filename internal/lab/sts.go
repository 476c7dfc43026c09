package lab

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const callerARN = "arn:aws:iam::" + accountID + ":user/ssmrun-lab"

// serveQuery answers STS, the one service here that speaks the Query protocol:
// SDKs and people ask it who they are.
func (l *Lab) serveQuery(w http.ResponseWriter, r *http.Request, body []byte, requestID string) {
	sig, refusal := l.verify(r, body, time.Now())
	if refusal == nil && sig.service != "sts" {
		refusal = refuse("InvalidSignatureException", "Credential should be scoped to correct service: 'sts'.")
	}
	if refusal != nil {
		writeQueryError(w, refusal, requestID)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "GetCallerIdentity" {
		writeQueryError(w, refuse("InvalidAction", "Could not find operation %s for version 2011-06-15", form.Get("Action")), requestID)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
		`<Arn>%s</Arn><UserId>%s</UserId><Account>%s</Account></GetCallerIdentityResult>`+
		`<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
		callerARN, "AIDALABLABLABLABLABLA", accountID, requestID)
}

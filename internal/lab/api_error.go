package lab

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// apiError is an error of the API, by the name that SDKs branch on.
type apiError struct {
	code    string
	message string
	status  int // 0 is 400: AWS JSON 1.1 answers nearly everything with it

	hangUp bool // there is no answer: the connection ends
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refuse makes an apiError with status 400.
func refuse(code, format string, args ...any) *apiError {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
}

// writeJSONError answers in the error form of AWS JSON 1.1. SDKs read the code
// from __type and the text from either spelling of message.
func writeJSONError(w http.ResponseWriter, e *apiError) {
	body, err := json.Marshal(map[string]string{"__type": e.code, "message": e.message, "Message": e.message})
	if err != nil {
		body = []byte(`{"__type":"InternalServerError"}`)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-ErrorType", e.code)
	w.WriteHeader(e.statusCode())
	w.Write(body)
}

// writeQueryError answers in the error form of the Query protocol, which STS
// speaks.
func writeQueryError(w http.ResponseWriter, e *apiError, requestID string) {
	var code, message strings.Builder
	xml.EscapeText(&code, []byte(queryCode(e.code)))
	xml.EscapeText(&message, []byte(e.message))
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>`+
		`<Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`, &code, &message, requestID)
}

// queryCode gives the Query protocol's own names for the signature errors of
// AWS JSON 1.1.
func queryCode(code string) string {
	switch code {
	case "UnrecognizedClientException":
		return "InvalidClientTokenId"
	case "InvalidSignatureException":
		return "SignatureDoesNotMatch"
	case "MissingAuthenticationTokenException":
		return "MissingAuthenticationToken"
	case "IncompleteSignatureException":
		return "IncompleteSignature"
	}
	return code
}

func (e *apiError) statusCode() int {
	if e.status == 0 {
		return http.StatusBadRequest
	}
	return e.status
}

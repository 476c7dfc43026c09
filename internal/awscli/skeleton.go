package awscli

// Skeleton is what --generate-cli-skeleton input prints: a form for
// --cli-input-json.
func Skeleton() string {
	return encodeJSON(NewObject(
		"Target", "", "DocumentName", "", "Reason", "",
		"Parameters", NewObject("KeyName", []any{""}),
	), true) + "\n"
}

// SampleResponse is what --generate-cli-skeleton output has for an answer; it
// is printed as Output says.
func SampleResponse() *Object { return Response("SessionId", "TokenValue", "StreamUrl") }

// Response is an answer to StartSession, its keys in the order of the API
// model.
func Response(sessionID, tokenValue, streamURL string) *Object {
	return NewObject("SessionId", sessionID, "TokenValue", tokenValue, "StreamUrl", streamURL)
}

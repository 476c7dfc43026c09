// Package fleet is AWS as a client of it sees it: credentials and regions,
// selectors turned into targets, documents, data keys of KMS, and sessions
// started, terminated and swept.
//
// # Words
//
// A provider is an evaluated provider block: credentials and a region. A
// selection is what the author wrote to choose targets, a target is one
// resolved node. A listing is one answer of DescribeInstanceInformation, kept
// for the life of a Fleet so that ten selectors with the same filter cost one.
// A pacer is the queue of StartSession calls of one account and region. A
// session was started when AWS answered StartSession, and is connected when
// its data channel is open.
//
// # Rules
//
//   - StartSession has no idempotency token. Only throttling, and errors that
//     came before the request was written, are tried again. Anything else is
//     reported as ambiguous, after the sessions with the same reason were
//     looked up and terminated.
//   - The pacer hands out turns in the order they were asked for, one each
//     1/rate seconds, never two at once. Throttling halves the rate, recovery
//     is slow, waiting is reported.
//   - A token goes to one place: the stream URL's host, which has to be the
//     partition's ssmmessages host or, when the endpoint was overridden, the
//     endpoint's own. Tokens, stream URLs and keys are Secret values, which
//     print as ***, and errors that could quote one are rewritten.
//   - An isolated Fleet (the lab's) reads no AWS file and no AWS variable, asks
//     no metadata service, and talks to the one endpoint it was given.
//
// # What it does not do
//
// It does not decide what an error means for a job, does not retry a step, and
// keeps nothing on disk. There is no EC2 client: what EC2 alone knows (stopped
// nodes, zones) is not known here.
package fleet

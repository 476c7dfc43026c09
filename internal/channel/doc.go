// Package channel is the Session Manager data channel, both ends: what travels
// on it, the reliable stream of each direction, and two ends that give the
// stream its meaning. Session is the client's and feels like exec.Cmd; Agent is
// the target's, with the service in between joined to it.
//
// # Words
//
// A transport carries frames. The first frame of a connection is text,
// OpenDataChannel; each other one holds a Message. Stream data are the messages
// that are numbered and acknowledged, input_stream_data from the client and
// output_stream_data from the agent; the payload type says what is in one. The
// handshake is stream data too. A session outlives its connections: numbers and
// buffers go on over all of them.
//
// # Layers
//
// Message, Acknowledge and the other payloads are codecs, strict ones: a bad
// length, date or number, or a digest that does not match, is an error, never a
// panic and never believed. roundTrip, sendWindow and inbox are values that know
// no time and no network. stream joins them to a transport, the same for both
// roles; it has a timer while something is unacknowledged and no goroutine.
// Session adds one goroutine, which reads, delivers and acknowledges, and one
// timer for its deadlines; Agent borrows the goroutine that calls Attach.
// Messages that came in one read are written out and acknowledged together,
// before the reader waits for more (settle.go).
// websocket.go is all that knows of the network, Pipe is its like in memory, and
// Faulty is a bad one around either.
//
// # Promises
//
//   - Every byte that the other end put into its stream is delivered once and in
//     order, over loss, duplication, reordering and lost connections, or the
//     session ends with an error that says what is missing. (What a command
//     wrote is another matter: the agent alters output that is no UTF-8, and
//     gives up on what is unacknowledged two seconds after the command ended.)
//   - A message is acknowledged after its bytes were accepted by the writer, or
//     kept in the bounded buffer of those that came early. Duplicates are
//     acknowledged again: an agent whose acknowledgement got lost would otherwise
//     send one message for ever and never the next.
//   - A message with a wrong digest is dropped and not acknowledged, so that it
//     comes again; eight in a row, and anything else that no correct peer sends,
//     end the session with a *ProtocolError. A panic ends one session only.
//   - No exit code is nil from Wait but the code 0 that came in order. An end
//     without one is an *ExitMissingError.
//   - Queues, buffers, attempts and waits have bounds. A writer that blocks
//     holds back its own session and nothing else. Each layer has a deadline of
//     its own, by the monotonic clock, and a *TimeoutError that names it; Layer
//     lists them.
//
// # Input
//
// What is written to a Session before the agent has spoken is kept. An agent
// throws away input that comes before its handshake is complete, though it
// acknowledges it, and which sessions have a handshake depends on the target's
// preferences: all Port and NonInteractiveCommands sessions, and the others when
// a KMS key is set. So input goes out when the handshake is complete; or when
// output came first, which shows that there is none; or after Config.Quiet
// without a word from an agent that start_publication had announced (three times
// as long if nothing did), because a shell without a prompt says nothing until it
// is typed to. Should a handshake begin after that, then what had been sent is
// sent again behind it: the agent takes messages in order, so all of it was
// thrown away.
//
// # Encryption
//
// An agent with a KMS key asks for encryption in its handshake. The client gets a
// data key of 64 bytes from Config.DataKey, bound to the session, the target and
// the handshake's challenge, and sends it as KMS encrypted it; the agent has KMS
// decrypt it and challenges the client. From then on the agent's payload types 1,
// 11 and 12 and the client's type 1 are encrypted; sizes, flags and the handshake
// are not, and the message's type is not a part of what is authenticated. One
// such payload that is in the clear, too short, altered or a repetition ends the
// session, as does a step of the handshake out of turn.
//
// Config.RequireEncryption turns an agent that does not ask, or begins without a
// handshake, into an *EncryptionError before any input leaves; Config.KeyID sees
// to it that the data key is of one's own KMS key, whichever the agent names.
// Agents do not encrypt port sessions, so with RequireEncryption there are none.
//
// # Port sessions
//
// With Config.TakePort the bytes of a session of type Port come from
// Session.Port, a stream that is read and written and ends with io.EOF, and the
// agent's flags go to it. What the bytes are, one plain stream or the frames of
// many connections, follows from the properties in the handshake and from both
// ends' versions, which PortStream.Multiplexed knows. Other payload types than
// bytes and flags end such a session. Nothing is rewritten in it, and it is never
// encrypted by KMS keys (amazon-ssm-agent, sessionplugin.go, isEncryptionEnabled).
//
// # Timers
//
// As the peers have them: 200 ms before the first retransmission, then the
// estimate of the round trip, at most 1 s; at most one round each 100 ms. Unlike
// them, a message that was sent again does not count as a sample, each round
// doubles the wait, and the client looks at its 16 oldest messages where they
// look at one. After a reconnection all that is unacknowledged is sent again at
// once. The fault matrix in matrix_test.go has what may go wrong, where, and what
// must come of it.
//
// # What it does not do
//
// It does not talk to AWS: StartSession, ResumeSession, TerminateSession, KMS and
// signatures are the caller's, by way of Config. It carries the payloads of port
// sessions but does not listen, dial or multiplex. It gives no meaning to output,
// and closes no session at the service.
//
// # Sources
//
// The layout and the rules come from reading AWS's session-manager-plugin
// (src/message, src/datachannel, src/config) and amazon-ssm-agent
// (agent/session), and from testdata/vectors, recorded between the two. Names of
// files in comments are theirs.
package channel

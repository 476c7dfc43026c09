// Package tunnel gives port sessions their use: local ports whose connections
// come out at a target's port, and one plain stream for the ProxyCommand of ssh.
// It has both ends, the client's (Listen, Forward, Stdio) and the agent's
// (Server), and stands on channel, which carries the bytes.
//
// # Words
//
// The local end of a connection is a program on this machine, the far end is
// what the agent dialled, on the target or on a remote host that the target
// reaches. A session is multiplexed when it carries smux streams, version 1, one
// for each connection; otherwise it is plain.
//
// # Use
//
// Listen first, so that a port in use is known before a session is started;
// then StartSession and channel.Connect with Config.TakePort; then Forward or
// Stdio, which own the session from there on. They ask the agent to end it when
// their context ends; agents up to 2.3.722.0 cannot be asked, so the caller calls
// TerminateSession in any case.
//
// # Half-close
//
// The protocol has none. A smux FIN ends both directions: AWS's agent closes the
// target's connection fully when it comes, and sends one as soon as the target
// has closed its direction. A plain stream has no sign for the end of one
// direction at all. What this package makes of it:
//
//   - When the far end has closed, the local end gets all its bytes and then the
//     end of the stream. What it still sends is discarded, as the agent would.
//   - When the local end has no more to say, the connection stays open until the
//     far end closes or was silent for Options.Linger, so that the answer to a
//     last question arrives; then FIN, DisconnectToPort or, on a plain stream for
//     ssh, TerminateSession is sent. AWS's client sends it at once and loses the
//     answer. A far end that waits for the end of its input before it answers
//     cannot work through a port session.
//   - A local end that sends while it is half closed from the far side loses what
//     the agent discards: nothing tells it.
//
// A connection that broke, because its session did or because the agent could
// not connect, ends with a reset, never like the end of a file.
//
// # What else the protocol does not allow
//
// In plain forwarding (agents up to 3.0.196.0) one connection is served at a
// time, and nobody is told when the target closes; the agent dials again with
// the first byte of the next connection, which therefore must be the local
// end's. The flag by which an agent says that it could not connect does not name
// the connection: the next to end without a byte is taken for it. On a plain
// stream for ssh the agent says nothing, so EndedError.Silent has to do.
//
// smux version 1 has no window for each stream: a connection whose local end
// does not read holds back the others after 4 MiB. A connection that is opened
// while the session is cut off and 256 messages wait fails after 30 s, and the
// agent may dial for it all the same; that ends with the session.
//
// # The agent's end
//
// Server behaves as AWS's agent does (amazon-ssm-agent, session/plugins/port):
// messages of at most 1 KiB with a pause between, dialling on SYN one after the
// other, closing fully, refusing to forward to metadata, DNS and time services.
package tunnel

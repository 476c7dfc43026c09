// Package lab is an SSM service on loopback whose managed nodes are real
// shells on this machine.
//
// It answers the AWS JSON 1.1 APIs that a client of Session Manager needs
// (StartSession and its kind, DescribeInstanceInformation, GetDocument,
// tag:GetResources, sts:GetCallerIdentity, KMS's GenerateDataKey and Decrypt)
// with AWS's names, limits and errors, and it serves the data channel as the
// service and the agent do together. It is a server and not a second client:
// whatever talks to AWS can talk to it.
//
// Words: a node is a managed node of the lab, a directory and the processes
// that sessions started in it; a habit is something the agent does that clients
// must live with (hclspec.Agent); a fault is something done wrong on purpose
// (hclspec.Faults); a shim is a small program on a node's PATH that stands for
// one that would act on the machine, and acts on the node instead; the nursery
// starts processes without privileges and knows all of them.
//
// Rules:
//
//   - It listens on loopback only, refuses a Host that is not its own and any
//     Origin, and checks AWS Signature Version 4 against a key pair made at the
//     start.
//   - Commands really run here. They get no new privileges and no capabilities,
//     when ssmrun is root an unprivileged user, and never ssmrun's environment.
//   - What a node started ends with the node's reboot or with Close, also what
//     left its session, its process group or its parent. Nothing else is ever
//     signalled.
//   - On Linux nothing is polled and no thread waits: ptys, pipes and the ends
//     of processes are in the runtime's poller.
//
// It does not isolate nodes from each other (they share one user), does not
// keep anything past Close, and does not run on Windows.
package lab

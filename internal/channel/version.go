package channel

import (
	"strconv"
	"strings"
)

// What an agent of a port session can do follows from its version
// (session-manager-plugin, version/versionutil.go): each is there in versions
// above these.
const (
	agentTerminates  = "2.3.722.0"  // FlagTerminateSession ends the session
	agentMultiplexes = "3.0.196.0"  // many connections in one session
	agentNeedsNoNOP  = "3.1.1511.0" // multiplexing without keep-alives
)

// And an agent goes by the client's (amazon-ssm-agent,
// session/plugins/port/port.go): it multiplexes from the first on, and sends no
// keep-alives to those above the second.
const (
	clientMultiplexes = "1.1.70"
	clientNeedsNoNOP  = "1.2.331.0"
)

// newer reports whether an agent's version is above a limit, as the plugin
// compares: number by number, and a version that has not as many of them is
// above nothing.
func newer(version, limit string) bool {
	if strings.Count(version, ".") != strings.Count(limit, ".") {
		return false
	}
	parts, limits := strings.Split(version, "."), strings.Split(limit, ".")
	higher := 0
	for i, text := range parts {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return false
		}
		l, _ := strconv.ParseUint(limits[i], 10, 32)
		if higher == 0 && n != l {
			higher = 1
			if n < l {
				higher = -1
			}
		}
	}
	return higher > 0
}

// compareClient compares the version of a client with a limit, as the agent
// does (versionutil.Compare): number by number as far as both go, what is no
// number as text, and of equal beginnings the longer is the higher.
func compareClient(version, limit string) int {
	limits := strings.Split(limit, ".")
	parts := strings.SplitN(version, ".", len(limits)+1) // how much longer does not matter
	for i := range min(len(parts), len(limits)) {
		n, errN := strconv.Atoi(parts[i])
		l, errL := strconv.Atoi(limits[i])
		switch {
		case errN == nil && errL == nil && n != l:
			return n - l
		case errN == nil && errL == nil:
		case parts[i] != limits[i]:
			return strings.Compare(parts[i], limits[i])
		}
	}
	return len(parts) - len(limits)
}

// ClientMultiplexes reports whether an agent multiplexes the connections of a
// client of this version in a session of type LocalPortForwarding.
func ClientMultiplexes(version string) bool { return compareClient(version, clientMultiplexes) >= 0 }

// ClientNeedsKeepAlive reports whether an agent sends keep-alives to a client
// of this version when it multiplexes.
func ClientNeedsKeepAlive(version string) bool { return compareClient(version, clientNeedsNoNOP) <= 0 }

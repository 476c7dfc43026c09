// Package channel is the Session Manager data channel, both ends.
package channel

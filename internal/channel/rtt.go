package channel

import "time"

// The timers of both peers. (session-manager-plugin, config/config.go;
// amazon-ssm-agent, session/config/config.go)
const (
	initialRTO  = 200 * time.Millisecond
	initialSRTT = 100 * time.Millisecond
	maxRTO      = time.Second
	granularity = 10 * time.Millisecond
	resendTick  = 100 * time.Millisecond
)

// roundTrip estimates the round-trip time and from it how long to wait for an
// acknowledgement. The zero value is ready.
//
// The peers feed it every acknowledgement, also those of messages that were
// sent twice, which teaches them round trips that never were. Here a message
// that was sent again teaches nothing (Karn's rule); instead each round of
// retransmission doubles the wait until a clean sample comes.
type roundTrip struct {
	srtt, variance, wait time.Duration // wait 0: no sample and no backoff yet
}

// rto is how long to wait for an acknowledgement before sending again.
func (r *roundTrip) rto() time.Duration {
	if r.wait == 0 {
		return initialRTO
	}
	return r.wait
}

// sample takes the round-trip time of a message that was sent once.
func (r *roundTrip) sample(rtt time.Duration) {
	if r.srtt == 0 {
		r.srtt = initialSRTT
	}
	r.variance += ((r.srtt - rtt).Abs() - r.variance) / 4
	r.srtt += (rtt - r.srtt) / 8
	r.wait = min(r.srtt+max(granularity, 4*r.variance), maxRTO)
}

// backoff doubles the wait, after a round of retransmission.
func (r *roundTrip) backoff() { r.wait = min(2*r.rto(), maxRTO) }

package tunnel

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/xtaci/smux"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// maxStreams is how many connections a server keeps at once; more wait.
const maxStreams = 1024

// muxSide serves many connections, a smux stream each.
// (amazon-ssm-agent, session/plugins/port/port_mux.go)
type muxSide struct {
	server    *Server
	addresses []string
	mux       *smux.Session
	near      net.Conn // joined to mux in memory, where the agent has a socket
}

func newMuxSide(s *Server, addresses []string) (*muxSide, error) {
	near, far := net.Pipe()
	mux, err := smux.Server(far, muxConfig(channel.ClientNeedsKeepAlive(s.agent.ClientVersion())))
	if err != nil {
		return nil, fmt.Errorf("multiplex: %w", err)
	}
	return &muxSide{server: s, addresses: addresses, mux: mux, near: near}, nil
}

func (m *muxSide) input(data []byte) error {
	_, err := m.near.Write(data)
	return err
}

// disconnect does nothing: the flag is for plain streams.
func (m *muxSide) disconnect() {}

func (m *muxSide) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		m.near.Close()
		m.mux.Close()
	})
	defer stop()
	targets := newCrowd()
	var work sync.WaitGroup
	work.Go(func() {
		defer cancel()
		m.accept(ctx, targets)
	})
	err := m.server.send(ctx, m.near)
	cancel()
	m.near.Close()
	m.mux.Close()
	work.Wait()
	targets.end()
	return err
}

// accept dials the target for each stream, one after the other as the agent
// does.
func (m *muxSide) accept(ctx context.Context, targets *crowd) {
	room := make(chan struct{}, maxStreams)
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		stream, err := m.mux.AcceptStream()
		if err != nil {
			return
		}
		conn, err := m.server.dial(ctx, m.addresses)
		if err != nil {
			<-room
			m.server.agent.Send(channel.PayloadFlag, channel.AppendFlag(nil, channel.FlagConnectToPortError))
			stream.Close()
			continue
		}
		targets.add(conn, func() {
			defer func() { <-room }()
			transfer(stream, conn)
		})
	}
}

// transfer carries bytes both ways and, as the agent, closes both ends fully
// when one direction has ended.
func transfer(stream *smux.Stream, conn net.Conn) {
	var work sync.WaitGroup
	work.Go(func() {
		io.Copy(stream, onlyReader{conn})
		stream.Close()
	})
	work.Go(func() {
		io.Copy(onlyWriter{conn}, onlyReader{stream})
		conn.Close()
	})
	work.Wait()
}

// onlyReader and onlyWriter hide what else a connection can do: io.Copy would
// use it, and splice.
type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

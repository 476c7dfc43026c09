package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ssmrun/ssmrun/internal/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	testscript.Main(m, map[string]func(){"ssmrun": main})
}

// TestScripts runs what a user could type, one behaviour a file.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": cmdCode, "lab": cmdLab, "service": cmdService, "calls": cmdCalls, "mute": cmdMute, "serve": cmdServe,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			return nil
		},
	})
}

// cmdLab is `lab [-tls] DIR`: it serves the lab of DIR until the script ends,
// and points AWS's settings at it. With -tls its authority is in $CA.
func cmdLab(ts *testscript.TestScript, neg bool, args []string) {
	var opts lab.Options
	if len(args) == 2 && args[0] == "-tls" {
		opts.TLS, args = true, args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lab [-tls] DIR")
	}
	spec, diags := loadLab(labBeside, ts.MkAbs(args[0]))
	if diags.HasErrors() {
		ts.Fatalf("%v", diags)
	}
	served, err := lab.Start(context.Background(), spec, opts)
	ts.Check(err)
	ts.Defer(func() { ts.Check(served.Close()) })
	for _, setting := range served.Environ() {
		name, value, _ := strings.Cut(setting, "=")
		ts.Setenv(name, value)
	}
	if opts.TLS {
		ca := ts.MkAbs("ca.pem")
		ts.Check(os.WriteFile(ca, served.CACertPEM(), 0o600))
		ts.Setenv("CA", ca)
	}
}

// cmdService is `service ANSWER...`: a service that only answers, each call with
// the next word. AWS's settings point at it.
func cmdService(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: service ANSWER...")
	}
	r := startRecorder(strings.Join(args, " "), false)
	ts.Defer(r.stop)
	recorders.Store(ts, r)
	ts.Defer(func() { recorders.Delete(ts) })
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "s",
		"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": r.URL} {
		ts.Setenv(name, value)
	}
}

// cmdMute is `mute`: an https service that takes connections and never says a
// word.
func cmdMute(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: mute")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("AWS_ENDPOINT_URL", "https://"+l.Addr().String())
}

// recorders are the services of scripts.
var recorders sync.Map

// cmdCalls is `calls FILE`: the bodies that the service has had are the lines
// of the file.
func cmdCalls(ts *testscript.TestScript, neg bool, args []string) {
	r, ok := recorders.Load(ts)
	if neg || len(args) != 1 || !ok {
		ts.Fatalf("usage: service ANSWER... before, and calls FILE")
	}
	var got strings.Builder
	for _, c := range r.(*recorder).seen() {
		body, err := json.Marshal(c.Body)
		ts.Check(err)
		got.Write(append(body, '\n'))
	}
	if want := ts.ReadFile(args[0]); got.String() != want {
		ts.Fatalf("the service had\n%s\nwant\n%s", got.String(), want)
	}
}

// cmdServe is `serve NAME`: it serves connections on a port of this machine until
// the script ends, with the port in $NAME. A line gets "got LINE" in answer.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve NAME")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer conn.Close()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					fmt.Fprintln(conn, "got", lines.Text())
				}
			}()
		}
	}()
}

// cmdCode is `code N program args...`: the program must end with exit code N.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestBootsUnderHostileProfiles(t *testing.T) {
	profiles := map[string]struct {
		argv []string
		rc   string
	}{
		"prompts": {[]string{"bash", "--rcfile"}, `echo "*** banner @x R ***"; PS1='$(echo prompt)\n@0 X 1 0 > '; PROMPT_COMMAND='echo from PROMPT_COMMAND'; PS2=; set -u; set -o vi`},
		"traces":  {[]string{"bash", "--rcfile"}, `set -x; trap 'echo debug' DEBUG; alias echo='echo alias' read=false while=false; HISTCONTROL=`},
		"slow":    {[]string{"bash", "--rcfile"}, `sleep 1; read -t 0.1 x; printf 'no newline'`},
		"echo on": {[]string{"bash", "--noediting", "--rcfile"}, `stty echo ixon onlcr; PS1='\u@\h:\w\$ '`},
	}
	for name, p := range profiles {
		for _, server := range []string{"sh", "perl"} {
			t.Run(name+"/"+server, func(t *testing.T) {
				t.Parallel()
				rc := filepath.Join(t.TempDir(), "rc")
				if err := os.WriteFile(rc, []byte(p.rc+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				r := boot(t, append(p.argv, rc, "-i"), agent, Options{Servers: []string{server}})
				out, _, res := r.run(t, sh("echo hello; exit 7"))
				if out != "hello\n" || res.ExitCode != 7 || !res.Verified() {
					t.Errorf("got %q %+v", out, res)
				}
			})
		}
	}
}

func TestBootsBesideARacingProfile(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{"dash"}, agent, Options{})
	// The agent types the profile after our input is already accepted.
	go io.WriteString(r.tty, "cd /; echo profile; export P=1\n")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := r.Boot(ctx); err != nil {
		t.Fatalf("%v\n%s", err, r.Screen())
	}
	if out, _, _ := r.run(t, sh("echo ok")); out != "ok\n" {
		t.Errorf("got %q", out)
	}
}

func TestBootsWithTheAgentsFirstSecondAndLatency(t *testing.T) {
	t.Parallel()
	h := habits{pace: time.Millisecond, first: time.Second, latency: 50 * time.Millisecond}
	r := boot(t, []string{"dash"}, h, Options{})
	began := time.Now()
	if out, _, _ := r.run(t, sh("echo ok")); out != "ok\n" {
		t.Errorf("got %q", out)
	}
	t.Logf("a step took %v at 50 ms one way", time.Since(began))
}

func TestBootErrorShowsTheScreen(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{"dash", "-c", "printf '\\033[1mThis account is \\033[0mnot available.\\nlogin: '; stty -echo; exec sleep 60"}, agent, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := r.Boot(ctx)
	var boot *BootError
	if !errors.As(err, &boot) || !strings.Contains(boot.Screen, "This account is not available.\nlogin:") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, screen %q", err, r.Screen())
	}
	r.cmd.Process.Kill()
}

func TestStepIsLostWithItsSessionAndEndsWithIt(t *testing.T) {
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"dash"}, agent, Options{Servers: []string{server}})
			up := make(chan string, 1)
			out := writerFunc(func(p []byte) (int, error) { up <- trim(string(p)); return len(p), nil })
			done := make(chan error, 1)
			go func() {
				_, err := r.Run(context.Background(), sh("echo $$; exec sleep 300"), out, nil)
				done <- err
			}()
			pid, _ := strconv.Atoi(<-up)
			r.tty.Close()
			var lost *LostError
			if err := <-done; !errors.As(err, &lost) || !lost.Began {
				t.Errorf("got %v, want a LostError that began", err)
			}
			var boot *BootError
			var refused *RefusedError
			if _, err := r.Run(t.Context(), sh("true"), nil, nil); !errors.As(err, &boot) && !errors.As(err, &refused) {
				t.Errorf("afterwards: got %v", err)
			}
			for deadline := time.Now().Add(15 * time.Second); alive(pid) && !zombie(pid); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("process %d of the step is still there", pid)
				}
			}
			for deadline := time.Now().Add(15 * time.Second); len(inSession(r.cmd.Process.Pid)) > 0; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("processes %v of the session are still there", inSession(r.cmd.Process.Pid))
				}
			}
		})
	}
}

// inSession lists the processes of a session but its first, which the test reaps.
func inSession(sid int) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) > 3 && fields[3] == strconv.Itoa(sid) && fields[0] != "Z" && filepath.Base(filepath.Dir(f)) != fields[3] {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

func zombie(pid int) bool {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return bytes.Contains(b, []byte(") Z "))
}

func TestRefusedStepsDoNotRun(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, agent, Options{})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx  context.Context
		step Step
	}{
		"NUL":       {t.Context(), sh("touch ran\x00")},
		"variable":  {t.Context(), Step{Script: []byte("touch ran"), Env: []EnvVar{{"a b", ""}}}},
		"value":     {t.Context(), Step{Script: []byte("touch ran"), Env: []EnvVar{{"A", "\x00"}}}},
		"user":      {t.Context(), Step{Script: []byte("touch ran"), User: "-x; reboot"}},
		"shell":     {t.Context(), Step{Script: []byte("touch ran"), Shell: "sh $(reboot)"}},
		"cancelled": {cancelled, sh("touch ran")},
	} {
		var refused *RefusedError
		if _, err := r.Run(tc.ctx, tc.step, nil, nil); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want a RefusedError", name, err)
		}
	}
	if out, _, _ := r.run(t, sh("ls ran 2>/dev/null; echo ok")); out != "ok\n" {
		t.Errorf("got %q", out)
	}
}

func TestWriterThatFailsDoesNotStopTheStep(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, agent, Options{})
	bad := writerFunc(func([]byte) (int, error) { return 0, io.ErrShortWrite })
	var errs bytes.Buffer
	res, err := r.Run(t.Context(), sh("echo a; echo b >&2; exit 2"), bad, &errs)
	if err != nil || res.ExitCode != 2 || res.Stdout.Verified || !errors.Is(res.Stdout.Defect, io.ErrShortWrite) || errs.String() != "b\n" || !res.Stderr.Verified {
		t.Errorf("got %+v, %v, %q", res, err, errs.String())
	}
}

func TestStepsOfManyGoroutinesTakeTurns(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, agent, Options{})
	done := make(chan string)
	for i := range 5 {
		go func() {
			var out bytes.Buffer
			_, err := r.Run(context.Background(), sh("echo "+strconv.Itoa(i)), &out, nil)
			if err != nil {
				out.WriteString(err.Error())
			}
			done <- trim(out.String())
		}()
	}
	seen := map[string]bool{}
	for range 5 {
		seen[<-done] = true
	}
	if len(seen) != 5 || !seen["4"] {
		t.Errorf("got %v", seen)
	}
}

func TestRebootsInPlaceWhenTheServerDiesBetweenSteps(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, agent, Options{})
	first := r.server
	r.run(t, sh("(sleep 0.1; kill -9 "+strconv.Itoa(first.info.PID)+") >/dev/null 2>&1 &"))
	<-first.gone
	if out, _, _ := r.run(t, sh("echo again")); out != "again\n" {
		t.Errorf("got %q", out)
	}
}

// The sh server's reader of the terminal must not outlive it: it would take the
// lines that are the loader's.
func TestRebootsInPlaceAfterEveryKill(t *testing.T) {
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"bash", "--norc"}, agent, Options{Servers: []string{server}})
			for range 4 {
				var lost *LostError
				if _, err := r.Run(t.Context(), sh("kill -9 $PPID; sleep 0.1"), nil, nil); !errors.As(err, &lost) {
					t.Fatalf("got %v, want a LostError", err)
				}
				if out, _, _ := r.run(t, sh("echo again")); out != "again\n" {
					t.Fatalf("got %q", out)
				}
			}
		})
	}
}

func TestQuitEndsTheShell(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"bash", "--norc"}, agent, Options{})
	if err := r.Quit(); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestServerThatDoesNotAnswerLosesItsStep(t *testing.T) {
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"dash"}, agent, Options{Servers: []string{server}, Silence: 400 * time.Millisecond})
			if out, _, _ := r.run(t, sh("sleep 1.5; echo patient")); out != "patient\n" {
				t.Errorf("a silent step: got %q", out)
			}
			pid := strconv.Itoa(r.serving().info.PID)
			// The sh server has a reader, a child of the same name: stop them all.
			_, err := r.Run(t.Context(), sh("for p in "+pid+" $(cat /proc/"+pid+"/task/*/children); do [ $p = $$ ] || kill -STOP $p; done; sleep 20"), nil, nil)
			var lost *LostError
			if !errors.As(err, &lost) || !lost.Began {
				t.Errorf("got %v, want a LostError", err)
			}
		})
	}
}

func TestSlowWriterIsNotSilence(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, agent, Options{Silence: 50 * time.Millisecond})
	var out bytes.Buffer
	slow := writerFunc(func(p []byte) (int, error) { time.Sleep(400 * time.Millisecond); return out.Write(p) })
	if res, err := r.Run(t.Context(), sh("echo slow"), slow, nil); err != nil || out.String() != "slow\n" || !res.Verified() {
		t.Errorf("got %q %+v %v", out.String(), res, err)
	}
}

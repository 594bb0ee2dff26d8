package serve

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/cmpserver/cmptest"
)

// traced are the calls by which a process reaches outside of itself.
const traced = "execve,execveat,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat," +
	"unlink,unlinkat,mknod,mknodat,truncate,chmod,fchmodat,chown,fchownat,socket,connect,bind,sendto,sendmsg,ptrace,mount,setuid,setgid"

var (
	// systemCall is a line of strace: PID NAME(ARGUMENTS) = RESULT.
	systemCall = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	// forWriting opens a file to change it.
	forWriting = regexp.MustCompile(`O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)`)
)

// TestSystemCalls watches the server and its workers from the moment that it
// serves: whatever it is sent, it writes to no file, makes no connection and
// starts nothing but its own workers.
func TestSystemCalls(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("SERVE_REQUIRED") != "" {
			t.Fatal("SERVE_REQUIRED is set: ", err)
		}
		t.Skip("strace is not installed")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	s := start(t, []string{strace, "-f", "-qq", "--seccomp-bpf", "-s", "200", "-o", trace, "-e", "trace=" + traced, "-e", "signal=none"},
		"--workers", "1", "--slow-workers", "1", "--timeout", "5s")
	mustAnswer(t, s.socket, "first")
	until(t, "the trace", func() bool { return len(read(t, trace)) > 0 })
	begin := len(read(t, trace))

	if _, err := cmptest.CorePipeline(t, repository).Generate(within(t, time.Minute), s.socket); err != nil {
		t.Error(err)
	}
	for _, a := range append(chartAttacks(t), parameterAttacks(t)...) {
		if a.do == nil {
			_, _ = a.call.Generate(within(t, time.Minute), s.socket) // what becomes of it is the business of TestAttacks
		}
	}
	for _, text := range []string{`{{ fail "no" }}`, object(`getHostByName "localhost"`), object(`lookup "v1" "Secret" "a" "b"`), `{{ repeat 10000000000 "x" }}`} {
		_, _ = cmptest.Call{Archive: cmptest.Chart(t, text), Env: cmptest.Env("a", "null")}.Generate(within(t, time.Minute), s.socket)
	}
	mustAnswer(t, s.socket, "last")
	during := read(t, trace)[begin:]
	// strace passes no signal on: the program itself is its child.
	if err := syscall.Kill(s.processes(t)[1], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.ended

	calls, workers := 0, 0
	for line := range strings.Lines(during) {
		m := systemCall.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue // the second half of a call that was interrupted by another
		}
		calls++
		if m[2] == "execve" {
			workers++
		}
		if why := forbiddenCall(m[2], m[3]); why != "" {
			t.Errorf("%s: %s", why, line)
		}
	}
	if workers == 0 {
		t.Errorf("the trace does not even show the workers that were replaced: %d calls", calls)
	}
	t.Logf("%d system calls", calls)
}

func forbiddenCall(name, arguments string) string {
	switch name {
	case "open", "openat", "openat2":
		if forWriting.MatchString(arguments) && !strings.Contains(arguments, `"/dev/null"`) {
			return "a file is opened for writing"
		}
		return ""
	case "execve", "execveat":
		if strings.HasPrefix(arguments, `"`+binary+`", ["`+binary+`", "worker"`) {
			return ""
		}
		return "a program is started"
	case "sendto", "sendmsg":
		return "" // an answer, on a connection that was accepted
	}
	return "it reaches outside"
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestForbiddenCall(t *testing.T) {
	for call, forbidden := range map[string]bool{
		`openat(AT_FDCWD, "/proc/self/statm", O_RDONLY|O_CLOEXEC) = 5`: false,
		`openat(AT_FDCWD, "/tmp/x", O_RDWR|O_CREAT|O_EXCL, 0600) = 5`:  true,
		`execve("/bin/sh", ["sh", "-c", "id"], 0x1 /* 1 var */) = 0`:   true,
		`socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3`:                 true,
		`connect(3, {sa_family=AF_INET}, 16) = 0`:                      true,
	} {
		m := systemCall.FindStringSubmatch("17 " + call)
		if m == nil || (forbiddenCall(m[2], m[3]) != "") != forbidden {
			t.Errorf("%s: %v", call, m)
		}
	}
}

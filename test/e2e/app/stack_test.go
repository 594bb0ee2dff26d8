package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/app"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// Credentials of the databases of the tests.
const (
	user     = "app-user"
	password = "not-a-real-password"
)

// stack is the application, built, and what it needs, on loopback. All tests share it; one that stops a dependency
// starts it again.
type stack struct {
	app                    app.Application
	postgres, redis, kafka *process
}

var shared struct {
	once sync.Once
	dir  string
	*stack
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if s := shared.stack; s != nil {
		for _, p := range []*process{s.postgres, s.redis, s.kafka} {
			if p != nil {
				p.stop(syscall.SIGINT)
			}
		}
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	programs.Clean()
	os.Exit(code)
}

// need skips the test where the machine lacks a program, and makes the stack.
func need(t *testing.T) *stack {
	t.Helper()
	var missing []string
	for program, pkg := range map[string]string{"npm": "npm", "redis-server": "redis-server", "sh": "dash"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if postgresBin() == "" {
		missing = append(missing, "postgresql")
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		why := "not installed: " + strings.Join(missing, ", ") + "; make e2e-packages installs them"
		if os.Getenv("E2E_REQUIRED") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	shared.once.Do(func() { shared.stack, shared.err = makeStack(context.Background()) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.stack
}

// postgresBin is the folder with PostgreSQL's programs, of the newest version that is installed.
func postgresBin() string {
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(all) == 0 {
		return ""
	}
	return filepath.Dir(slices.Max(all))
}

func makeStack(ctx context.Context) (*stack, error) {
	dir, err := os.MkdirTemp("", "cp-app-")
	if err != nil {
		return nil, err
	}
	shared.dir = dir
	// What the databases are run as must be able to come to their folder.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	s := &stack{}
	broker, err := programs.Own(ctx, "images/kafka")
	if err != nil {
		return nil, err
	}
	built := filepath.Join(dir, "app")
	if err := os.Mkdir(built, 0o755); err != nil {
		return nil, err
	}
	if s.app, err = app.Build(ctx, built); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "postgres")
	if err := os.Mkdir(data, 0o777); err != nil {
		return nil, err
	}
	if err := os.Chmod(data, 0o777); err != nil {
		return nil, err
	}
	s.postgres = newProcess(dir, "postgres", "sh", "-c", images.StartPostgres)
	s.postgres.env = []string{
		"PATH=" + postgresBin() + ":" + os.Getenv("PATH"), "PGDATA=" + data + "/main", "PGHOST=127.0.0.1", "PGPORT=" + s.postgres.port,
		"POSTGRES_DB=core-pipeline", "POSTGRES_USERS=" + user, "POSTGRES_PASSWORD=" + password,
	}
	s.postgres.unprivileged = true
	s.redis = newProcess(dir, "redis", "redis-server")
	s.redis.args = append(s.redis.args, "--bind", "127.0.0.1", "--port", s.redis.port, "--requirepass", password, "--save", "", "--appendonly", "no")
	s.kafka = newProcess(dir, "kafka", broker)
	s.kafka.args = append(s.kafka.args, "-listen", "127.0.0.1:"+s.kafka.port)
	for _, p := range []*process{s.postgres, s.redis, s.kafka} {
		if err := p.start(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// process is a server that may be stopped and started again at the same port.
type process struct {
	name, port, log string
	args            []string
	env             []string
	unprivileged    bool
	running         *exec.Cmd
	ended           chan struct{}
}

func newProcess(dir, name string, args ...string) *process {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing was written
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return &process{name: name, port: port, log: filepath.Join(dir, name+".log"), args: args, env: os.Environ()}
}

// start returns when the port is open.
func (p *process) start(ctx context.Context) error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // the process has its own
	// Not CommandContext: it outlives the test that starts it.
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, out, out
	cmd.Dir = filepath.Dir(p.log)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if p.unprivileged && os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	ended, err := spawn(cmd)
	if err != nil {
		return err
	}
	p.running, p.ended = cmd, ended
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+p.port)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("%s has ended: %s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %s", p.name, p.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// spawn starts a process that the kernel kills with this one, and says when it has ended.
func spawn(cmd *exec.Cmd) (ended chan struct{}, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The kernel kills it with the thread that started it, so that thread is not given back.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(ended)
	}()
	return ended, <-started
}

// stop ends it, by force if it does not end on the signal.
func (p *process) stop(signal os.Signal) {
	if p.running == nil {
		return
	}
	_ = p.running.Process.Signal(signal)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.running.Process.Kill()
		<-p.ended
	}
	p.running = nil
}

func (p *process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(data) > 2000 {
		data = data[len(data)-2000:]
	}
	return string(bytes.TrimSpace(data))
}

// without stops a dependency for the rest of the test.
func (p *process) without(t *testing.T) (again func()) {
	t.Helper()
	p.stop(syscall.SIGINT)
	again = sync.OnceFunc(func() {
		if err := p.start(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(again)
	return again
}

var errTooLate = errors.New("too late")

package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// supervisor starts the components. The first that ends by itself ends the run.
type supervisor struct {
	*Config
	ended chan error
}

// Supervise starts everything, makes the file ready, and waits until ctx ends or a component does. edge is the listener
// of the proxy.
func Supervise(ctx context.Context, c *Config, edge *os.File) error {
	s := &supervisor{Config: c, ended: make(chan error, 64)}
	if err := c.makeGroups(); err != nil {
		return err
	}
	if err := c.layNetwork(ctx); err != nil {
		return err
	}
	if err := s.startFile("edge", control, edge, "e2e-cluster", "edge", c.Dir); err != nil {
		return err
	}
	var wait sync.WaitGroup
	problems := make([]error, len(c.Planes))
	for i := range c.Planes {
		wait.Go(func() { problems[i] = s.boot(ctx, i) })
	}
	wait.Wait()
	for _, err := range problems {
		if err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.path("ready"), nil, 0o644); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.ended:
		return err
	}
}

// boot starts a control plane and its nodes, and waits until they are ready.
func (s *supervisor) boot(ctx context.Context, plane int) error {
	if err := s.startPlane(ctx, plane); err != nil {
		return err
	}
	p := s.Planes[plane]
	for _, n := range s.nodes() {
		if n.plane == plane {
			if err := s.startNode(ctx, n); err != nil {
				return err
			}
		}
	}
	if plane == 0 {
		// For requests that the proxy makes to Services.
		if err := s.startProxy("control-proxy", control, p.Name+"-1", 0, gateway); err != nil {
			return err
		}
	}
	return s.until(ctx, "the nodes of "+p.Name, func(ctx context.Context) error {
		out, err := s.kubectl(ctx, p.Name, "get", "nodes", "-o", `jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{" "}{end}`)
		if err == nil && strings.Count(out, "True") != len(p.Zones) {
			err = fmt.Errorf("they say %q", out)
		}
		return err
	})
}

// start starts one of the run's programs in a network namespace. Its output goes to logs/<name>.log.
func (s *supervisor) start(name, namespace, program string, args ...string) error {
	return s.startFile(name, namespace, nil, program, args...)
}

func (s *supervisor) startFile(name, namespace string, file *os.File, program string, args ...string) error {
	path := s.Programs[program]
	if path == "" {
		return fmt.Errorf("the run has no program %s", program)
	}
	log, err := os.Create(s.path("logs", name+".log"))
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	// `ip netns exec` would hide the control groups.
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/" + namespace, path}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	// Sixty Go programs on a few processors: memory is there, and collecting garbage later leaves more time for the rest.
	// Each keeps to one processor: waking another for a moment's work costs more than the work.
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(s.Programs["containerd"])+":"+os.Getenv("PATH"), "GOGC=400", "GOMAXPROCS=1")
	if file != nil {
		cmd.ExtraFiles = []*os.File{file}
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		state := "exit status 0"
		if err := cmd.Wait(); err != nil {
			state = err.Error()
		}
		s.ended <- fmt.Errorf("%s has ended by itself, %s; its last lines:\n%s", name, state, tail(log.Name(), 1000))
	}()
	return nil
}

// bootTime is how long a component may take to be ready on a machine that others use, too.
const bootTime = 6 * time.Minute

// until waits for a condition. The end of a component ends the waiting.
func (s *supervisor) until(ctx context.Context, what string, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		case ended := <-s.ended:
			s.ended <- ended
			return ended
		}
	}
}

func (s *supervisor) kubectl(ctx context.Context, plane string, args ...string) (string, error) {
	args = append([]string{"--net=/run/netns/" + control, s.Programs["kubectl"], "--kubeconfig", s.path("pki", plane, "admin.kubeconfig")}, args...)
	out, err := exec.CommandContext(ctx, "nsenter", args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return string(out), err
}

func tail(file string, most int) string {
	data, _ := os.ReadFile(file)
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return string(data)
}

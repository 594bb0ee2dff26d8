package live

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/addons"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/cluster"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/platform"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// shared is the platform that the tests of this run share; the first that asks boots it.
var shared struct {
	once      sync.Once
	cluster   *cluster.Cluster
	platform  *platform.Platform
	err       error
	booted    time.Duration // until Kubernetes was ready
	installed time.Duration // until Argo CD was
	deployed  time.Duration // from the one apply until everything was synced and healthy
	order     []string      // in which the Applications were first healthy
}

// deployed is the platform after the one apply, when every Application has been synced and healthy: that of the run
// whose folder E2E_RUN names, which `make e2e-up` prints, or one of this test's own. A test that says t.Parallel begins
// when all that do not have ended, and claims what it needs for itself.
func deployed(t *testing.T) *platform.Platform {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		if os.Getenv("E2E_REQUIRED") != "" {
			t.Fatal("the test needs root on Linux")
		}
		t.Skip("the test needs root on Linux")
	}
	shared.once.Do(func() { shared.err = deploy() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.platform
}

// installTime is how long everything may take on a machine that others use, too, with nothing in the cache.
const installTime = 45 * time.Minute

func deploy() error {
	ctx, cancel := context.WithTimeout(context.Background(), installTime)
	defer cancel()
	start := time.Now()
	var err error
	if dir := os.Getenv("E2E_RUN"); dir != "" {
		if shared.platform, err = platform.Open(dir); err != nil {
			return err
		}
		_, err = watch(ctx, shared.platform, start)
		return err
	}
	if shared.cluster, err = cluster.Start(ctx, platform.Planes()...); err != nil {
		return err
	}
	shared.booted = time.Since(start)
	if shared.platform, err = platform.Install(ctx, shared.cluster.Config); err != nil {
		return err
	}
	shared.installed = time.Since(start) - shared.booted
	start = time.Now()
	if err := shared.platform.Bootstrap(ctx); err != nil {
		return err
	}
	shared.deployed, err = watch(ctx, shared.platform, start)
	return err
}

// watch waits until the root and one Application of each cluster are synced and healthy.
func watch(ctx context.Context, p *platform.Platform, start time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	var seen map[string]platform.Application
	for {
		all, err := p.Applications(ctx)
		if err == nil {
			seen = all
			good := 0
			for _, name := range append(applications(), platform.Root) {
				a, there := all[name]
				if there && a.Good() {
					good++
					if !slices.Contains(shared.order, name) {
						shared.order = append(shared.order, name)
						slog.InfoContext(ctx, name+" is healthy", "seconds", int(time.Since(start).Seconds()))
					}
				}
			}
			if good == len(platform.Targets)+1 && len(all) == good {
				return time.Since(start), nil
			}
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for the Applications: %w; seen:\n%s", ctx.Err(), states(seen))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func applications() []string {
	var names []string
	for _, t := range platform.Targets {
		names = append(names, t.Application())
	}
	return names
}

func states(all map[string]platform.Application) string {
	var lines []string
	for _, a := range all {
		lines = append(lines, a.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestMain(m *testing.M) {
	code := m.Run()
	if c := shared.cluster; c != nil {
		if code != 0 {
			collect(c)
		}
		if err := c.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "the cluster:", err)
			code = 1
		}
	}
	printFigures(os.Stdout)
	programs.Clean()
	addons.Clean()
	os.Exit(code)
}

// collect leaves what one needs to find out why a test has failed.
func collect(c *cluster.Cluster) {
	dir := cluster.Artifacts("live")
	if err := c.Collect(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, "collecting logs:", err)
	}
	fmt.Fprintln(os.Stderr, "logs, events and objects of the cluster are in", dir)
}

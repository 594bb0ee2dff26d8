package image

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// container is what the guide says about running the image.
type container struct {
	Command, Args   []string
	SecurityContext struct {
		RunAsUser              int
		ReadOnlyRootFilesystem bool
		Capabilities           struct{ Drop []string }
	}
	StartupProbe, ReadinessProbe, LivenessProbe struct {
		Exec struct{ Command []string }
	}
	VolumeMounts []struct{ Name, MountPath string }
}

// documented is the first example of docs/operating.md.
func documented(t *testing.T) container {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	var pod struct{ Containers []container }
	if err := yaml.Unmarshal([]byte(text), &pod); err != nil || len(pod.Containers) != 1 {
		t.Fatalf("the guide's first example is no container: %v", err)
	}
	return pod.Containers[0]
}

// checkGuide holds that the container of the guide is one that the image can
// be: with its entry point, its user and no shell.
func checkGuide(t *testing.T, image built) {
	c := documented(t)
	if len(c.Command) != 0 || len(c.Args) == 0 {
		t.Errorf("the native contract needs the image's entry point: command %v, args %v", c.Command, c.Args)
	}
	for _, probe := range [][]string{c.StartupProbe.Exec.Command, c.ReadinessProbe.Exec.Command, c.LivenessProbe.Exec.Command} {
		if want := append(slices.Clone(image.entry), "healthcheck"); !slices.Equal(probe, want) {
			t.Errorf("a probe runs %v, want %v", probe, want)
		}
	}
	if c.SecurityContext.RunAsUser != 999 || !c.SecurityContext.ReadOnlyRootFilesystem || !slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("the security context is %+v", c.SecurityContext)
	}
}

// checkServe runs the guide's container: the image's own file system, its own
// user, nothing to write to but the volume of the sockets.
func checkServe(t *testing.T, image built, layer []byte) {
	if os.Geteuid() != 0 {
		t.Skip("only root can enter another file system")
	}
	c := documented(t)
	root := t.TempDir()
	unpack(t, root, layer)
	sockets := filepath.Join(root, c.VolumeMounts[0].MountPath)
	proc := filepath.Join(root, "proc") // the server finds its program there
	for _, dir := range []string{sockets, proc} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(sockets, 999, 999); err != nil {
		t.Fatal(err)
	}
	before := list(t, root)
	t.Run("until it is told to end", func(t *testing.T) { serve(t, image, c, root) })
	if diff := cmp.Diff(before, list(t, root)); diff != "" {
		t.Errorf("serving has changed the file system:\n%s", diff)
	}
}

// serve starts the container, asks for its health, and ends it.
func serve(t *testing.T, image built, c container, root string) {
	sockets, proc := filepath.Join(root, c.VolumeMounts[0].MountPath), filepath.Join(root, "proc")
	if err := syscall.Mount("proc", proc, "proc", syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("mounting /proc: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(proc, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting /proc: %v", err)
		}
	})
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), image.entry[0], args...)
		cmd.Dir = "/"
		cmd.Env = []string{"PATH=" + image.env["PATH"], "CORE_PIPELINE_METRICS_ADDRESS=127.0.0.1:0"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 999, Gid: 999}}
		return cmd
	}
	server := command(c.Args...)
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	healthy := false
	for end := time.Now().Add(30 * time.Second); !healthy && time.Now().Before(end); {
		healthy = command(c.ReadinessProbe.Exec.Command[1:]...).Run() == nil
	}
	info, err := os.Stat(filepath.Join(sockets, "core-pipeline-v1.sock"))
	if !healthy || err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("healthy: %t, the socket: %v %v", healthy, info, err)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, &log)
	}
	if err := command(c.ReadinessProbe.Exec.Command[1:]...).Run(); err == nil {
		t.Error("a server that has ended is healthy")
	}
}

package app_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/images"
)

// migration runs the migration's command, as the chart's hook does, and returns how many steps it took.
func (s *stack) migration(t *testing.T, extra map[string]string) (float64, string, error) {
	t.Helper()
	cmd := s.command(t.Context(), s.environ(t, "staging", extra), nil, images.Migration[1:]...)
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if strings.Contains(text, password) {
		t.Errorf("the migration says the password: %s", text)
	}
	entry, problem := object(text)
	if problem != nil || strings.Contains(text, "\n") {
		return 0, text, fmt.Errorf("the migration says %s: %w", text, problem)
	}
	steps, _ := entry["steps"].(float64)
	return steps, text, err
}

func (s *stack) migrate(t *testing.T) {
	t.Helper()
	if _, text, err := s.migration(t, nil); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// TestMigrationWaits holds a migration to waiting for another one that has not ended.
func TestMigrationWaits(t *testing.T) {
	s := need(t)
	session := func(sql string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), filepath.Join(postgresBin(), "psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--command="+sql,
			fmt.Sprintf("host=127.0.0.1 port=%s user=%s dbname=core-pipeline", s.postgres.port, user))
		cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
		return cmd
	}
	waiting := func() (string, error) {
		out, err := session("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7320001 AND NOT granted").Output()
		return strings.TrimSpace(string(out)), err
	}
	other := session("SELECT pg_advisory_lock(7320001); SELECT pg_sleep(600)")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the other migration has begun", func() error {
		if out, err := session("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7320001 AND granted").Output(); err != nil || strings.TrimSpace(string(out)) != "1" {
			return fmt.Errorf("%s, %w", out, err)
		}
		return nil
	})
	ended := make(chan error, 1)
	go func() {
		_, _, err := s.migration(t, nil)
		ended <- err
	}()
	eventually(t, 30*time.Second, "the migration waits", func() error {
		select {
		case err := <-ended:
			t.Fatalf("the migration has not waited: %v", err)
		default:
		}
		if n, err := waiting(); err != nil || n != "1" {
			return fmt.Errorf("%s wait, %w", n, err)
		}
		return nil
	})
	if _, err := session("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7320001 AND granted").Output(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestMigration runs it several times and at the same time, as a hook that is retried is.
func TestMigration(t *testing.T) {
	s := need(t)
	var group sync.WaitGroup
	steps, problems := make([]float64, 4), make([]error, 4)
	for i := range steps {
		group.Go(func() { steps[i], _, problems[i] = s.migration(t, nil) })
	}
	group.Wait()
	for i, err := range problems {
		if err != nil {
			t.Error(err)
		}
		if i > 0 && steps[i] != 0 && steps[0] != 0 {
			t.Errorf("the steps were taken more than once: %v", steps)
		}
	}
	if n, text, err := s.migration(t, nil); err != nil || n != 0 {
		t.Errorf("another one takes %v steps, %v: %s", n, err, text)
	}
	for name, extra := range map[string]map[string]string{
		"a wrong password": {"POSTGRES_PASSWORD": "wrong"}, "no server": {"POSTGRES_PORT": "1"}, "no database": {"POSTGRES_DB": "none"},
	} {
		if _, text, err := s.migration(t, extra); err == nil || !strings.Contains(text, `"level":"error"`) {
			t.Errorf("with %s it ends with %v: %s", name, err, text)
		}
	}
}

package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

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

package addons

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kubectl runs kubectl against a cluster and returns its standard output. The manifests are its standard input.
type Kubectl func(ctx context.Context, stdin string, args ...string) (string, error)

// Apply applies the addons, the definitions of all of them first. It does not wait until they are ready. Their images
// have to be on the nodes.
func Apply(ctx context.Context, kubectl Kubectl, addons ...Addon) error {
	var definitions, objects strings.Builder
	for _, a := range addons {
		d, err := a.Definitions(ctx)
		if err != nil {
			return err
		}
		o, err := a.Objects()
		if err != nil {
			return err
		}
		definitions.WriteString(d)
		objects.WriteString("---\n" + o)
	}
	// Some definitions are larger than the annotation of a client-side apply may be.
	apply := []string{"apply", "--server-side", "--force-conflicts", "-f", "-"}
	if definitions.Len() > 0 {
		if _, err := kubectl(ctx, definitions.String(), apply...); err != nil {
			return fmt.Errorf("applying the definitions: %w", err)
		}
		if _, err := kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=300s", "customresourcedefinitions", "--all"); err != nil {
			return fmt.Errorf("waiting for the definitions: %w", err)
		}
	}
	if _, err := kubectl(ctx, objects.String(), apply...); err != nil {
		return fmt.Errorf("applying the addons: %w", err)
	}
	return nil
}

// Ready waits until the addons are ready, fifteen minutes at most, and says all that are not.
func Ready(ctx context.Context, kubectl Kubectl, addons ...Addon) error {
	deadline := time.Now().Add(15 * time.Minute)
	var all error
	for _, a := range addons {
		for _, r := range a.ready {
			// Zero would mean to look once, less than that a week.
			left := max(time.Second, time.Until(deadline)).Round(time.Second)
			args := []string{"wait", "--for=condition=" + r.condition, "--timeout=" + left.String(), r.object}
			if r.namespace != "" {
				args = append(args, "--namespace="+r.namespace)
			}
			if _, err := kubectl(ctx, "", args...); err != nil {
				all = errors.Join(all, fmt.Errorf("waiting for %s: %w", a.Name, err))
			}
		}
	}
	return all
}

package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// clean deletes what the test made, the last of it first, and waits until it is gone.
func (g *guard) clean(ctx context.Context) error {
	g.mu.Lock()
	left := slices.Clone(g.made)
	g.mu.Unlock()
	slices.Reverse(left)
	var errs []error
	var held error
	for _, o := range left {
		if err := g.remove(ctx, o); err != nil {
			errs = append(errs, fmt.Errorf("does not delete %s: %w", o.path, err))
		}
	}
	for {
		for _, o := range left {
			if !strings.HasPrefix(o.path, definitionsPath) {
				continue
			}
			if err := g.release(ctx, o); err != nil {
				held = fmt.Errorf("does not let go of the objects of %s: %w", o.path, err)
			}
		}
		left = slices.DeleteFunc(left, func(o object) bool { return g.gone(ctx, o) })
		if len(left) == 0 {
			return errors.Join(errs...)
		}
		select {
		case <-ctx.Done():
			errs = append(errs, held)
			for _, o := range left {
				errs = append(errs, fmt.Errorf("still has %s, which the test made", o.path))
			}
			return errors.Join(errs...)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// remove deletes what was made, and nothing that has its name by now.
func (g *guard) remove(ctx context.Context, o object) error {
	policy := metav1.DeletePropagationBackground
	options, err := json.Marshal(metav1.DeleteOptions{
		APIVersion: "v1", Kind: "DeleteOptions", PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &o.uid},
	})
	if err != nil {
		return err
	}
	err = g.api.Delete().AbsPath(o.path).Body(options).Do(ctx).Error()
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

func (g *guard) gone(ctx context.Context, o object) bool {
	var now metav1.PartialObjectMetadata
	err := g.get(ctx, o.path, &now)
	return apierrors.IsNotFound(err) || err == nil && now.UID != o.uid
}

// release takes the finalizers from the objects of a definition: nothing runs that would do what they wait for.
func (g *guard) release(ctx context.Context, o object) error {
	var definition struct {
		Metadata struct{ UID types.UID }
		Spec     struct {
			Group    string
			Names    struct{ Plural string }
			Versions []struct {
				Name   string
				Served bool
			}
		}
	}
	if err := g.get(ctx, o.path, &definition); err != nil || definition.Metadata.UID != o.uid {
		return ignoreNotFound(err)
	}
	for _, version := range definition.Spec.Versions {
		if !version.Served {
			continue
		}
		base := "/apis/" + definition.Spec.Group + "/" + version.Name
		var list metav1.PartialObjectMetadataList
		if err := g.get(ctx, base+"/"+definition.Spec.Names.Plural, &list); err != nil {
			return ignoreNotFound(err)
		}
		for _, o := range list.Items {
			if len(o.Finalizers) == 0 {
				continue
			}
			path := base
			if o.Namespace != "" {
				path += "/namespaces/" + o.Namespace
			}
			err := g.api.Patch(types.MergePatchType).AbsPath(path + "/" + definition.Spec.Names.Plural + "/" + o.Name).Body([]byte(`{"metadata":{"finalizers":null}}`)).Do(ctx).Error()
			if err := ignoreNotFound(err); err != nil {
				return err
			}
		}
		break
	}
	return nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

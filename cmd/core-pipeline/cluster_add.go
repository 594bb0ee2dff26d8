package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/core-pipeline/core-pipeline-cmp/argocd/fleet"
	"github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge"
)

const authCategory = "Authentication"

// authFlags are the flags of one way to authenticate each.
var authFlags = map[string][]string{
	fleet.AuthAWS:            {"aws-cluster-name", "aws-role-arn", "aws-profile"},
	fleet.AuthExec:           {"exec-command", "exec-arg", "exec-env", "exec-api-version"},
	fleet.AuthExternalSecret: {"secret-store", "secret-store-kind", "remote-key", "remote-property"},
	fleet.AuthInCluster:      {},
}

func clusterAddCommand(stdout, stderr io.Writer) *cli.Command {
	var limits edge.Limits
	text := func(name, value, usage, category string) cli.Flag {
		return &cli.StringFlag{Name: name, Value: value, Usage: usage, Category: category}
	}
	flags := []cli.Flag{
		text("ring", "main", "`RING` of the rollout: "+strings.Join(fleet.Rings, " or "), ""),
		text("region", "", "`REGION`, for people and dashboards", ""),
		text("server", "", "`URL` of the API server: https, without a / at the end", ""),
		text("ca-file", "", "`FILE` with the certificates of the server's authority in PEM; default: those of the system", ""),
		text("auth", "", "`WAY` in which Argo CD authenticates: aws, exec, external-secret or in-cluster", authCategory),
		text("aws-cluster-name", "", "aws: `NAME` of the EKS cluster; default: NAME", authCategory),
		text("aws-role-arn", "", "aws: `ARN` of the role that Argo CD takes", authCategory),
		text("aws-profile", "", "aws: `NAME` of the profile", authCategory),
		text("exec-command", "", "exec: `PROGRAM` in the image of Argo CD that prints a credential", authCategory),
		&cli.StringSliceFlag{Name: "exec-arg", Usage: "exec: `ARGUMENT` of the program; repeat it", Category: authCategory},
		&cli.StringSliceFlag{Name: "exec-env", Usage: "exec: `NAME=VALUE` of its environment, never a credential; repeat it", Category: authCategory},
		text("exec-api-version", "client.authentication.k8s.io/v1beta1", "exec: `VERSION` of what it prints", authCategory),
		text("secret-store", "", "external-secret: `NAME` of the store that holds the token", authCategory),
		text("secret-store-kind", "ClusterSecretStore", "external-secret: `KIND` of the store", authCategory),
		text("remote-key", "", "external-secret: `KEY` of the token in the store", authCategory),
		text("remote-property", "", "external-secret: `PROPERTY` of the key", authCategory),
	}
	return &cli.Command{
		Name: "add", Usage: "print the file that declares a cluster, and say what will be deployed there",
		ArgsUsage: "NAME",
		Description: "Prints a cluster Secret, or the ExternalSecret that makes one, that `cluster lint` accepts. NAME begins with the\n" +
			"environment: prod-eu-2. No credential is read or printed.\n\n" +
			examples("core-pipeline cluster add prod-eu-2 --ring main --server https://prod-eu-2.example.com --auth aws --aws-role-arn arn:aws:iam::111111111111:role/argocd > argocd/clusters/prod-eu-2.yaml",
				"core-pipeline cluster add dev-eu-1 --server https://192.0.2.1:6443 --ca-file ca.pem --auth external-secret --secret-store vault --remote-key clusters/dev-eu-1 > argocd/clusters/dev-eu-1.yaml"),
		Flags: append(flags, fleetFlags(&limits)...),
		Action: nameFirst(func(c *cli.Context) error {
			cluster, err := newCluster(c)
			if err != nil {
				return err
			}
			f, err := loadFleet(c, stderr, limits)
			if err != nil {
				return err
			}
			defer f.close()
			return f.add(cluster, stdout, stderr)
		}),
	}
}

func newCluster(c *cli.Context) (fleet.NewCluster, error) {
	name, err := oneName(c)
	if err != nil {
		return fleet.NewCluster{}, err
	}
	auth, err := newAuth(c)
	if err != nil {
		return fleet.NewCluster{}, err
	}
	n := fleet.NewCluster{Name: name, Ring: c.String("ring"), Region: c.String("region"), Server: c.String("server"), Auth: auth}
	if n.Server == "" && auth.Kind == fleet.AuthInCluster {
		n.Server = fleet.InCluster
	}
	if file := c.String("ca-file"); file != "" {
		if n.CA, err = os.ReadFile(file); err != nil { //nolint:gosec // the file that the user names
			return n, fmt.Errorf("reading --ca-file: %w", err)
		}
	}
	return n, nil
}

func newAuth(c *cli.Context) (fleet.Auth, error) {
	kind := c.String("auth")
	if _, ok := authFlags[kind]; !ok {
		return fleet.Auth{}, edge.Usage(c, "--auth %q: expected aws, exec, external-secret or in-cluster", kind)
	}
	for other, names := range authFlags {
		for _, name := range names {
			if other != kind && c.IsSet(name) {
				return fleet.Auth{}, edge.Usage(c, "--%s is for --auth %s", name, other)
			}
		}
	}
	env := map[string]string{}
	for _, assignment := range c.StringSlice("exec-env") {
		name, value, ok := strings.Cut(assignment, "=")
		if !ok || name == "" {
			return fleet.Auth{}, edge.Usage(c, "--exec-env: expected NAME=VALUE")
		}
		env[name] = value
	}
	return fleet.Auth{
		Kind:        kind,
		ClusterName: c.String("aws-cluster-name"), RoleARN: c.String("aws-role-arn"), Profile: c.String("aws-profile"),
		Command: c.String("exec-command"), Args: c.StringSlice("exec-arg"), Env: env, APIVersion: c.String("exec-api-version"),
		Store: c.String("secret-store"), StoreKind: c.String("secret-store-kind"),
		RemoteKey: c.String("remote-key"), RemoteProperty: c.String("remote-property"),
	}, nil
}

// add prints the file, and on stderr what it brings about.
func (f *openFleet) add(n fleet.NewCluster, stdout, stderr io.Writer) error {
	f.watch.Stage("checking the cluster")
	text, apps, findings := f.Add(n, fleet.Options{Now: time.Now()})
	if len(findings) > 0 {
		// What cannot be read selects and admits nothing. The shell has made
		// an empty file for the output.
		file := path.Join(f.paths.Clusters, n.Name+".yaml")
		for _, finding := range f.findings.Harmful() {
			if finding.File != file {
				findings = append(findings, finding)
			}
		}
		return findings.Err()
	}
	if _, err := stdout.Write(text); err != nil {
		return err
	}
	for _, a := range apps {
		if _, err := fmt.Fprintln(stderr, f.Explain(a)); err != nil {
			return err
		}
	}
	return nil
}

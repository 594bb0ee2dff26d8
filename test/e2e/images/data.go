package images

import (
	"context"
	_ "embed"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/image"
	"github.com/core-pipeline/core-pipeline-cmp/test/e2e/programs"
)

// The names of what the application needs beside Redis, which Argo CD brings.
const (
	PostgresName = "core-pipeline.test/postgres:" + PostgresVersion
	KafkaName    = "core-pipeline.test/kafka:v1"
)

// PostgresBin is where Debian puts PostgreSQL's programs.
const PostgresBin = "/usr/lib/postgresql/" + PostgresVersion + "/bin"

// StartPostgres is a script for sh that runs PostgreSQL; it says which variables it reads.
//
//go:embed postgres.sh
var StartPostgres string

// Data are Debian's PostgreSQL and program kafka.
func Data(ctx context.Context) ([]image.Image, error) {
	base, err := postgresPart.layer(ctx)
	if err != nil {
		return nil, err
	}
	start, err := image.Files(
		image.File{Path: "/usr/local/bin/start-postgres", Content: StartPostgres, Mode: 0o755},
		image.File{Path: "/etc/passwd", Content: "root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/data:/bin/sh\n"},
	)
	if err != nil {
		return nil, err
	}
	program, err := programs.Own(ctx, "images/kafka")
	if err != nil {
		return nil, err
	}
	broker, err := image.Files(image.File{Path: "/kafka", Source: program, Mode: 0o755})
	if err != nil {
		return nil, err
	}
	return []image.Image{
		{
			Name: PostgresName, User: "999", Entrypoint: []string{"/usr/local/bin/start-postgres"},
			Env:    []string{debianPath + ":" + PostgresBin, "PGDATA=/data/main", "PGHOST=*", "PGPORT=5432"},
			Layers: []v1.Layer{base, start},
		},
		{Name: KafkaName, User: "999", Entrypoint: []string{"/kafka"}, Env: OneProcessor(), Layers: []v1.Layer{broker}},
	}, nil
}

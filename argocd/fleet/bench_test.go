package fleet

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// many is a fleet of count clusters, a third of them in each environment.
func many(tb testing.TB, count int) fstest.MapFS {
	tb.Helper()
	tree := example(tb)
	f, _ := Load(tree, DefaultPaths())
	for i := range count - len(f.clusters) {
		environment := []string{"dev", "staging", "prod"}[i%3]
		n := NewCluster{
			Name: fmt.Sprintf("%s-%d", environment, i+100), Ring: "main", Region: "eu",
			Server: fmt.Sprintf("https://c%d.example.com", i), Auth: Auth{Kind: AuthAWS}, CA: ca(tb),
		}
		file := "argocd/clusters/" + n.Name + ".yaml"
		tree[file] = &fstest.MapFile{Data: f.write(n, file)}
	}
	return tree
}

func BenchmarkLint(b *testing.B) {
	for _, count := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			tree := many(b, count)
			for b.Loop() {
				if findings := lint(tree); len(findings) > 0 {
					b.Fatal(findings.Err())
				}
			}
		})
	}
}

func BenchmarkApplications(b *testing.B) {
	for _, count := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			tree := many(b, count)
			for b.Loop() {
				f, _ := Load(tree, DefaultPaths())
				if apps, findings := f.Applications(); len(findings) > 0 || len(apps) != count {
					b.Fatal(len(apps), findings.Err())
				}
			}
		})
	}
}

// TestTenThousand: a fleet full of mistakes has a line for each.
func TestTenThousand(t *testing.T) {
	const count = 10000
	tree := example(t)
	for i := range count {
		tree[fmt.Sprintf("argocd/clusters/dev-%d.yaml", i)] = &fstest.MapFile{Data: []byte("kind: Sercet\n")}
	}
	findings := lint(tree)
	if len(findings) != count {
		t.Errorf("%d findings for %d mistakes", len(findings), count)
	}
	if lines := strings.Count(findings.Err().Error(), "\n") + 1; lines != count {
		t.Errorf("%d lines", lines)
	}
}

package edge

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/core-pipeline/core-pipeline-cmp/plugin/source"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/watchdog"
)

// Limits bounds one run of a program.
type Limits struct {
	Source   source.Limits
	Watchdog watchdog.Limits
}

const limitsCategory = "Limits"

// Flags returns the flags that set l. Each can also be given by an environment
// variable, CORE_PIPELINE_ and the flag's name, for a plugin.yaml that is
// baked into an image. No Application can set such a variable: Argo CD puts
// ARGOCD_ENV_ before the names of theirs.
//
// A limit of the watchdog that is set already is the default of its flag.
func (l *Limits) Flags() []cli.Flag {
	if l.Watchdog.Timeout == 0 {
		l.Watchdog.Timeout = watchdog.DefaultTimeout
	}
	if l.Watchdog.Memory == 0 {
		l.Watchdog.Memory = watchdog.DefaultMemory
	}
	l.Source = source.Limits{
		MaxFiles: source.DefaultMaxFiles, MaxFileBytes: source.DefaultMaxFileBytes,
		MaxTotalBytes: source.DefaultMaxTotalBytes, MaxDepth: source.DefaultMaxDepth,
	}
	return []cli.Flag{
		DurationFlag("timeout", "end a render after this `DURATION`", &l.Watchdog.Timeout),
		BytesFlag("memory-limit", "end a render when its process uses more than this many `BYTES`", &l.Watchdog.Memory),
		CountFlag("max-files", "read at most this `NUMBER` of files", &l.Source.MaxFiles),
		BytesFlag("max-file-bytes", "read no file that is larger than this many `BYTES`", &l.Source.MaxFileBytes),
		BytesFlag("max-total-bytes", "read at most this many `BYTES` in all", &l.Source.MaxTotalBytes),
		CountFlag("max-depth", "follow directories at most this `NUMBER` of levels down", &l.Source.MaxDepth),
	}
}

// DurationFlag is the flag of a limit in time, above 0. The value of v is its
// default, here and below.
func DurationFlag(name, usage string, v *time.Duration) cli.Flag {
	return limitFlag(name, usage, (*duration)(v))
}

// BytesFlag is the flag of a size above 0.
func BytesFlag(name, usage string, v *int64) cli.Flag { return limitFlag(name, usage, (*bytes)(v)) }

// CountFlag is the flag of a number above 0.
func CountFlag(name, usage string, v *int) cli.Flag { return limitFlag(name, usage, (*count)(v)) }

// SizeFlag is the flag of a size that may be 0.
func SizeFlag(name, usage string, v *int64) cli.Flag { return limitFlag(name, usage, (*size)(v)) }

func limitFlag(name, usage string, value cli.Generic) cli.Flag {
	variable := "CORE_PIPELINE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	return &cli.GenericFlag{Name: name, Usage: usage, EnvVars: []string{variable}, Value: value, Category: limitsCategory}
}

type duration time.Duration

func (d *duration) String() string { return time.Duration(*d).String() }

func (d *duration) Set(text string) error {
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a duration such as 90s", text)
	}
	*d = duration(v)
	return nil
}

// bytes is a size in the notation of Kubernetes: 512Mi.
type bytes int64

func (b *bytes) String() string { return resource.NewQuantity(int64(*b), resource.BinarySI).String() }

func (b *bytes) Set(text string) error {
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Value() <= 0 {
		return fmt.Errorf("%q is not a size such as 512Mi", text)
	}
	*b = bytes(q.Value())
	return nil
}

// size is bytes, or 0.
type size int64

func (s *size) String() string { return (*bytes)(s).String() }

func (s *size) Set(text string) error {
	if text == "0" {
		*s = 0
		return nil
	}
	return (*bytes)(s).Set(text)
}

type count int

func (c *count) String() string { return fmt.Sprint(int(*c)) }

func (c *count) Set(text string) error {
	var n int
	if _, err := fmt.Sscanf(text, "%d", &n); err != nil || n <= 0 || fmt.Sprint(n) != text {
		return fmt.Errorf("%q is not a number above 0", text)
	}
	*c = count(n)
	return nil
}

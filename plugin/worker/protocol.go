package worker

import (
	"time"

	"github.com/core-pipeline/core-pipeline-cmp/plugin"
	"github.com/core-pipeline/core-pipeline-cmp/plugin/observe"
)

// A conversation over a pipe, in gob: the pool sends a job; the process says
// which stage begins and asks for files, each of which gets an answer, and at
// last says the result.
type (
	job struct {
		// Announce asks for the parameters instead of the manifests.
		Announce bool
		Request  plugin.Request
		// Known answers what will be asked for sure.
		Known map[observe.Ask]observe.Answer
		// Timeout is when the process gives up by itself, should nobody be
		// left to end it.
		Timeout time.Duration
	}

	// said is what a process says: one of the three is set.
	said struct {
		Ask    *observe.Ask
		Stage  string
		Result *Result
	}
)

// Result is what a process made of a job.
type Result struct {
	// Manifests has one JSON document for each object.
	Manifests     []string
	Announcements []plugin.Announcement
	// Asked is all that the process has looked at in the tree, and APIVersions
	// how the manifests may depend on those of the request.
	Asked       []observe.Ask
	APIVersions plugin.APIVersionUse
	// Problem is the text for people; empty for success.
	Problem string
}

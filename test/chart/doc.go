// Package chart holds tests of charts/core-pipeline: its rules and their
// messages, its schema, what restarts its pods, who its policies let through,
// and that its values, templates and documentation agree.
package chart

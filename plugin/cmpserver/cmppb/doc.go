// Package cmppb holds the messages and the service of Argo CD's plugin
// contract, generated from plugin.proto and repository.proto: `make proto`.
// It must hold nothing else.
package cmppb

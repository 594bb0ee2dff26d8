// Package kubernetes starts a real kube-apiserver for tests.
//
// In: the programs, and a test that lends its lifetime. Out: a server with etcd behind it that listens on the loopback
// address. Nothing runs pods, and everything that was started ends with the test.
package kubernetes

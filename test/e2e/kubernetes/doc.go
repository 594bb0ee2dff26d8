// Package kubernetes starts a real kube-apiserver for tests, or lends them a cluster that is there already.
//
// In: the programs, and a test that lends its lifetime. Out: a server with etcd behind it that listens on the loopback
// address. Nothing runs pods, and everything that was started ends with the test.
//
// With E2E_KUBECONFIG, in: a cluster that somebody has, such as one of kind. Out: a proxy to it on the loopback address,
// through which a test can make what it likes and change what it made, and nothing else. No pods run for it there
// either, and when the test ends, all that it made is deleted.
package kubernetes

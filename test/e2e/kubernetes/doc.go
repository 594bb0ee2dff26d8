// Package kubernetes builds and starts a real kube-apiserver for tests.
//
// In: the module proxy, and a test that lends its lifetime. Out: a server with etcd behind it that listens on the
// loopback address, and the paths of programs. The programs are built from Go modules once and kept in the user's
// cache directory. Nothing runs pods, and everything that was started ends with the test.
package kubernetes

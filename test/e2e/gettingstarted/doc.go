// Package gettingstarted types the commands of docs/getting-started.md as a new user would, from an empty folder to an
// Application that is Synced, on a Kubernetes of package cluster.
//
// What it does otherwise than the page, because there is no way to the internet, is in one place: the variable
// elsewhere. It must not help where the page does not.
package gettingstarted

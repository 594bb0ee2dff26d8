// Package gettingstarted types the commands of docs/getting-started.md as a new user would, from an empty folder to an
// Application that is Synced and runs.
//
// What it does otherwise than the page is in one place for each kind of cluster: the field instead of a site. It must
// not help where the page does not.
package gettingstarted

// Package image holds tests that build the file system of the Dockerfile's
// final stage without Docker, look at what is in it, and run it.
//
// They know the instructions and commands that the Dockerfile uses and no
// others: a new one is an error here until the tests know what it does.
package image

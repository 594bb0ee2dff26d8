// Package app builds the application under test, whose sources are in src, and runs it against real dependencies.
//
// In: src, package.json, the lock file and bundle.mjs of this folder, npm. Out: a program with the modules that are not
// bundled into it, which are the dependencies in package.json, for images and for the tests here. What npm installs is
// in the user's cache, by the lock file; nothing is installed into this folder, and no script of a package runs.
package app

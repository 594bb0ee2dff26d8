// Package supervise runs the program that imports it as a child of itself, so
// that nothing that ends a Go process at once reaches the user as a stack
// trace: memory that the system refuses in one piece, a panic, the system's
// out-of-memory killer.
//
// In: the command line. Out: the child's standard output as it is, its standard
// error unless it is the runtime's last words, and its exit code. The parent
// does nothing else, and waits for its child: in a container whose first
// process reaps nobody, no zombie is left.
//
// It works by being imported, in init: the packages with much to set up are
// initialised after it, in the child only. So it must import nothing but the
// standard library's small packages. It supervises neither tests nor the verbs
// that serve and that are served.
package supervise

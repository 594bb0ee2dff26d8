// Package edge holds what both programs do where they meet the world: limits
// from flags, the exit code and text of an error, the build information, and
// the settings that keep a render from reaching out of its process.
//
// In: the command line. Out: bytes on standard output only after everything
// went well, one message on standard error otherwise. It must hold no
// knowledge about rendering.
package edge

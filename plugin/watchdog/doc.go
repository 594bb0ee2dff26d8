// Package watchdog ends this process when a render takes too long or too much
// memory.
//
// In: two limits and the name of what is going on. Out: nothing, or one line
// and the end of the process. Go templates cannot be interrupted: a chart with
// `range until 2000000000`, with `repeat` or with an endless `tpl` holds its
// goroutine for ever, so a program that renders once is ended as a whole.
//
// The package must not be used in a process that serves several requests at a
// time: it cannot end one of them.
package watchdog

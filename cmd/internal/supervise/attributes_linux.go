package supervise

import "syscall"

// attributes lets the child die with its parent. The signal belongs to the
// thread that starts the child, which is the main thread during init.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

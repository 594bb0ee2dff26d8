//go:build unix && !linux

package supervise

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

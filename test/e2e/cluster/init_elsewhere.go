//go:build !linux

package cluster

import (
	"errors"
	"syscall"
)

var errElsewhere = errors.New("a cluster needs Linux")

func ofItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// Init says that there is none.
func Init(*Config) error { return errElsewhere }

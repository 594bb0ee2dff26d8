package main

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func defaultWorkers() int { return runtime.GOMAXPROCS(0) }

// reapOrphans takes the exit status of processes that were left to this one,
// which happens to the first process of a container: what a probe started and
// did not wait for would stay a zombie and use up the pids of the cgroup.
//
// It may take that of a worker, too, the exit status of which nobody reads.
func reapOrphans() {
	if os.Getpid() != 1 {
		return
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			for {
				pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
				if pid <= 0 || err != nil {
					break
				}
			}
		}
	}()
}

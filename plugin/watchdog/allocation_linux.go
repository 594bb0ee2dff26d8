//go:build linux && !race

package watchdog

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// boundAllocation makes the system refuse memory far above the limit. The
// watch alone comes too late for one large block: filling a gigabyte takes
// less time than it takes to notice. The runtime then ends the process with
// words of its own.
//
// The bound is one of address space, beyond what the process has when the
// first watch begins: RLIMIT_DATA does not count pages that the runtime has
// reserved before it maps them.
var boundAllocation = func() func(memory int64) {
	var once sync.Once
	return func(memory int64) {
		once.Do(func() {
			var pages int64
			statm, err := os.ReadFile("/proc/self/statm")
			if err != nil {
				return // the watch goes on without it
			}
			var limit syscall.Rlimit
			if _, err := fmt.Sscan(string(statm), &pages); err != nil || syscall.Getrlimit(syscall.RLIMIT_AS, &limit) != nil {
				return
			}
			const arena = 64 << 20 // the unit of the runtime
			limit.Cur = min(uint64(pages*int64(os.Getpagesize())+memory+arena), limit.Cur)
			_ = syscall.Setrlimit(syscall.RLIMIT_AS, &limit) // as above
		})
	}
}()

package worker

import "slices"

// ticket is a request that waits.
type ticket struct {
	application string
	granted     chan struct{}
}

// queue holds tickets, first come first served within an Application, and one
// Application after the other.
type queue struct {
	waiting map[string][]*ticket
	// turns are the Applications that wait, the next one first.
	turns []string
	size  int
}

func (q *queue) push(application string) *ticket {
	t := &ticket{application: application, granted: make(chan struct{})}
	if q.waiting == nil {
		q.waiting = map[string][]*ticket{}
	}
	if len(q.waiting[application]) == 0 {
		q.turns = append(q.turns, application)
	}
	q.waiting[application] = append(q.waiting[application], t)
	q.size++
	return t
}

// pop takes the next ticket of an Application that may have a place; nil if
// there is none.
func (q *queue) pop(may func(application string) bool) *ticket {
	for i, application := range q.turns {
		if !may(application) {
			continue
		}
		q.turns = slices.Delete(q.turns, i, i+1)
		t := q.waiting[application][0]
		q.dequeue(application, 0)
		if len(q.waiting[application]) > 0 {
			q.turns = append(q.turns, application)
		}
		return t
	}
	return nil
}

// remove takes t out, unless pop has.
func (q *queue) remove(t *ticket) bool {
	i := slices.Index(q.waiting[t.application], t)
	if i < 0 {
		return false
	}
	q.dequeue(t.application, i)
	if len(q.waiting[t.application]) == 0 {
		q.turns = slices.DeleteFunc(q.turns, func(a string) bool { return a == t.application })
	}
	return true
}

func (q *queue) dequeue(application string, i int) {
	q.size--
	rest := slices.Delete(q.waiting[application], i, i+1)
	if len(rest) == 0 {
		delete(q.waiting, application)
		return
	}
	q.waiting[application] = rest
}

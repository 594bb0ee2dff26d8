package app_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestJoinsAgainAsBefore: a consumer that a broker has forgotten, which its client joins to the group again of itself, is
// gone from the group as soon after it dies as one that joined first, and waits as long as the group may wait for others.
// While the group waits for one that has gone, nobody in it gets anything.
func TestJoinsAgainAsBefore(t *testing.T) {
	s := need(t)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	var mu sync.Mutex
	var joins []kmsg.JoinGroupRequest
	asked := map[string]int{} // how often each member has asked to join, by the name that the broker gave it
	last, forgotten := "", false
	broker.Control(func(request kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		switch r := request.(type) {
		case *kmsg.JoinGroupRequest:
			if r.MemberID == "" {
				break // it is given its name
			}
			if asked[r.MemberID]++; asked[r.MemberID] == 1 {
				joins = append(joins, *r)
			}
		case *kmsg.SyncGroupRequest:
			last = r.MemberID
		case *kmsg.OffsetCommitRequest:
			if !forgotten {
				forgotten = true
				return unknown(r), nil, true
			}
		}
		return nil, nil, false
	})
	r := s.ready(t, "staging", map[string]string{"KAFKA_BROKERS": broker.ListenAddrs()[0]})
	s.migrate(t)
	r.consumed(t)
	// The group waits for the member that it was before, which says nothing any more, until its session has ended.
	eventually(t, 60*time.Second, "it is in the group again", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(joins) < 2 || last != joins[len(joins)-1].MemberID {
			return fmt.Errorf("forgotten: %t; %d have asked to join; the last in the group is %s", forgotten, len(joins), last)
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	for _, j := range joins {
		if n := asked[j.MemberID]; n != 1 {
			t.Errorf("it asks %d times to join as %s", n, j.MemberID)
		}
		if j.SessionTimeoutMillis != 10_000 || j.RebalanceTimeoutMillis != 10_000 {
			t.Errorf("it joins for a session of %d ms, and for %d ms of waiting for others", j.SessionTimeoutMillis, j.RebalanceTimeoutMillis)
		}
	}
}

// unknown is the answer of a broker that does not know the member.
func unknown(r *kmsg.OffsetCommitRequest) kmsg.Response {
	response := r.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, topic := range r.Topics {
		answered := kmsg.NewOffsetCommitResponseTopic()
		answered.Topic, answered.TopicID = topic.Topic, topic.TopicID
		for _, p := range topic.Partitions {
			partition := kmsg.NewOffsetCommitResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, kerr.UnknownMemberID.Code
			answered.Partitions = append(answered.Partitions, partition)
		}
		response.Topics = append(response.Topics, answered)
	}
	return response
}

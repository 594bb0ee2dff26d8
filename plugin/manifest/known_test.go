package manifest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nested = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\nlist: [{a: 1}, [b], ~]\nempty: {}\nnone: []\n"

// spoil changes everything that can be changed in place.
func spoil(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, item := range v {
			spoil(item)
			v[name] = "spoilt"
		}
	case []any:
		for i, item := range v {
			spoil(item)
			v[i] = "spoilt"
		}
	}
}

// TestKnownDocumentsAreCopies: what one render does to its objects is not seen
// by the next one.
func TestKnownDocumentsAreCopies(t *testing.T) {
	want, err := decodeDocument([]byte(nested))
	if err != nil {
		t.Fatal(err)
	}
	memo := documentMemo{bytes: 1000}
	for range 3 {
		got, err := memo.decode([]byte(nested))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		spoil(got)
	}
	if len(memo.young) != 1 {
		t.Errorf("%d documents are remembered, want 1", len(memo.young))
	}
}

func TestKnownDocumentsAreBounded(t *testing.T) {
	numbered := func(i int) []byte { return fmt.Appendf(nil, "kind: A\nname: a%04d\n", i) }
	size := len(numbered(0))
	memo := documentMemo{bytes: 3 * size}
	for i := range 100 {
		// The first stays in use.
		for _, doc := range [][]byte{numbered(i), numbered(0)} {
			if _, err := memo.decode(doc); err != nil {
				t.Fatal(err)
			}
		}
		if len(memo.young) > 3 || len(memo.older) > 3 || memo.held != len(memo.young)*size {
			t.Fatalf("%d young, %d older, %d bytes", len(memo.young), len(memo.older), memo.held)
		}
	}
	if _, err := memo.decode(make([]byte, 10*size)); err == nil {
		t.Error("a document of zeros was read")
	}
	if _, err := memo.decode(fmt.Appendf(nil, "kind: %0*d", 10*size, 1)); err != nil || memo.held > memo.bytes {
		t.Errorf("%v; %d bytes are held", err, memo.held)
	}
}

// TestSecretsAreForgotten, and so are errors.
func TestSecretsAreForgotten(t *testing.T) {
	memo := documentMemo{bytes: 1000}
	for _, doc := range []string{"apiVersion: v1\nkind: Secret\nstringData: {a: b}\n", "apiVersion: v1\nkind: List\nitems: []\n", "a: [", "# nothing\n"} {
		first, errFirst := memo.decode([]byte(doc))
		again, errAgain := memo.decode([]byte(doc))
		if len(memo.young) != 0 || !cmp.Equal(first, again) || (errFirst == nil) != (errAgain == nil) {
			t.Errorf("%q: %d remembered; %v, %v", doc, len(memo.young), errFirst, errAgain)
		}
	}
}

func TestKnownDocumentsConcurrently(t *testing.T) {
	memo := documentMemo{bytes: 100}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 200 {
				fields, err := memo.decode(fmt.Appendf(nil, "kind: A\nnames: [a%d]\n", i%10))
				if err != nil || fields["names"].([]any)[0] != fmt.Sprintf("a%d", i%10) {
					t.Errorf("%d: %v, %v", i, fields, err)
				}
				spoil(fields)
			}
		})
	}
	group.Wait()
}

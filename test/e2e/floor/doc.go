// Command floor serves Argo CD's plugin contract and does nothing with what it gets.
//
//	floor drain|walk SOCKET
//
// In: the stream of a request. Out: one fixed manifest. drain only receives the messages; walk also unpacks them and
// looks at every entry of the tar, which it then forgets. No plugin can be faster than the first, and none that reads
// the repository faster than the second. Both are built of gRPC's own server and the standard library, with default
// settings; they must not be made any better than that, or figures of different days could not be compared.
package main

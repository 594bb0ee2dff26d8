package bench

// The cases, by their names in the report.
const (
	caseProd     = "core-pipeline, prod"
	caseWide     = "300 objects"
	caseMonorepo = "3,000 files, 27 MB"
	// caseLargeChunks is the same repository in other chunks.
	caseLargeChunks = "3,000 files in chunks of 64 KiB"
)

// The peers, by the names in the report.
const (
	peerShell    = "argocd-cmp-server, helm and kustomize"
	peerGenerate = "argocd-cmp-server, our `generate`"
	peerDrain    = "drain only"
	peerWalk     = "unpack and walk"
	peerUncached = "`serve`, no cache"
	peerServe    = "`serve`"
)

// The rows of a peer that has two, by what its clients send.
const (
	rowSame   = "`serve`, the same archive again"
	rowCommit = "`serve`, a commit that the Application does not read"
)

package plan

// Evaluator holds a runbook with its values and answers what plan and run ask.
type Evaluator struct{}

// DocumentRef names a document as one provider sees it.
type DocumentRef struct{ Provider, Name string }

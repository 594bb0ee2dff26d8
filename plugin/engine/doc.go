// Package engine executes the templates of a chart as Helm 3's engine does,
// but parses them once.
//
// In: named template texts in the order of their parsing, then, for each
// execution, the data. Out: text, or text/template's own errors. The functions
// are those of Helm without a cluster: lookup finds nothing, getHostByName
// returns nothing, env and expandenv do not exist.
//
// It confines text/template and sprig, and knows no chart: which templates
// there are, their order and their data are the caller's business. It must not
// read files or the environment, open a connection, or keep anything of an
// execution. Tests of plugin/helm hold it equal to Helm's engine.
package engine

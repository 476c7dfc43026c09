// Command ssmrun runs operational runbooks over AWS Systems Manager Session
// Manager. This package has the commands and is the only place where the two
// sides of the program meet: what reads (hclspec, plan, fleet) and what shows
// and keeps (view, runstore).
package main

// Package awscli is the AWS CLI's habits as values and functions: what it
// prints for an answer (--output, --query and --color), and the words and exit
// codes of its complaints. It calls nothing and prints nothing.
//
// Every rule here is AWS CLI 2.36.7's, found by giving it inputs; the tables in
// testdata hold inputs and what came out, and the tests want the same bytes.
package awscli

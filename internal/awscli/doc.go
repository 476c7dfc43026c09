// Package awscli is the AWS CLI's habits as values and functions: how `aws ssm
// start-session` reads its command line, what it would send, what it prints,
// and the words and exit codes of its complaints. It calls nothing and prints
// nothing; files are read through a seam (Files) that the caller gives.
//
// # Words
//
//   - Parse reads the arguments after `aws ssm start-session` into a Command:
//     the globals, the skeleton asked for, and a validated Request.
//   - An Error has the exit code of AWS CLI v2: 252 for usage, 253 for
//     configuration, 254 for an answer of the service, 255 for all else. Report
//     gives the bytes of stderr.
//   - ParseShorthand, ParseParameters and ParseInput read the values of
//     --parameters and --cli-input-json alone.
//   - Output prints an answer: --output, --query and --color.
//   - Options is the table for help and completion.
//
// # The reference
//
// Every rule here is AWS CLI 2.36.7's under Python 3.13, found by giving it
// inputs; where the documentation says something else, the program won. The
// tables in testdata hold about 3,700 inputs and what came out, and the tests
// want the same bytes. Version 1 (1.45.11) was given the same command lines and
// shorthand: it sends the same requests.
//
// What may surprise, and is the CLI's:
//
//   - An option may be cut short as far as it is the only one that begins so.
//     The global ones are asked first: --re is --region and not --reason.
//   - A value that begins with a dash needs the form --name=value, unless it is
//     a negative number or holds a space.
//   - "--" may stand before the options: `-- --target i-1` is `--target i-1`.
//   - --cli-input-json lifts the need for --target only as a word of its own,
//     not as --cli-input-json=value.
//   - Only least lengths are checked here, not patterns or greatest lengths: the
//     service checks those.
//   - A bare word in shorthand holds no character beyond U+FFFF; in quotes it may.
//   - A file in @= that cannot be read is exit 255, elsewhere it is 252.
//
// # Where versions 1 and 2 differ
//
// Version 2 won in each: errors begin with "aws: [ERROR]:" and can be formatted
// (--cli-error-format); --output has yaml, yaml-stream and off; an unknown
// choice names what looks like it instead of listing all; http:// and https://
// values are text and are not fetched; --cli-input-yaml and the pager and
// prompt options exist; and the exit codes tell mistakes apart, where version 1
// has 2 for mistakes in the options and 255 for most else.
//
// # Where we differ from both
//
//   - --parameters fileb:// is refused in plain words, with the CLI's code.
//   - --cli-input-yaml, --generate-cli-skeleton yaml-input and
//     --cli-auto-prompt are refused as not supported.
//   - Text that is not UTF-8, and half a surrogate pair in JSON, are refused;
//     Python carries them along. AWS_CLI_FILE_ENCODING is not read: files are
//     UTF-8.
//   - JSON and shorthand nest at most 900 deep.
//   - Negative timeouts, and those too long for a time.Duration, are refused at
//     once.
//   - In a query, numbers are floating: 2.0 prints as 2. The reason why a query
//     is bad is the library's, after the CLI's words. Object literals lose the
//     order of their keys, and to_string of them is Go's JSON.
package awscli

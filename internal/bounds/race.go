//go:build race

package bounds

const slack = 2

//go:build !race

package bounds

const slack = 1

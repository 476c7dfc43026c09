package hclspec

import ("testing";"os";"fmt")

func TestZZExamples(t *testing.T) {
	dirs,_ := os.ReadDir("../../examples")
	for _, d := range dirs {
		if !d.IsDir() {continue}
		_, diags := LoadRunbook("../../examples/"+d.Name())
		fmt.Println(d.Name(), len(diags))
		for _, x := range diags { fmt.Println(x.Error()) }
	}
}

package runstore

func setUmask(int) func() { return func() {} }

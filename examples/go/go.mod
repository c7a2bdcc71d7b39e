module github.com/kthena/kthena/examples/go

go 1.24

require github.com/kthena/kthena/bindings/go v0.0.0

replace github.com/kthena/kthena/bindings/go => ../../bindings/go

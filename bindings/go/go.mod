module github.com/kthena/kthena/bindings/go

go 1.24

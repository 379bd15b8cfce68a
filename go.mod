module github.com/sluice-project/sluice

go 1.25.0

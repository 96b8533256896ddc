// Command vault is HashiCorp Vault itself, built from its published Go module for machines
// that have a Go toolchain but neither a Vault package nor a container engine. It is used by
// the demo and the tests only; tasklease does not ship it.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:]))
}

/** README.txt of a medium: how to look at it without rejoin. */
export const mediumReadme = `This is a replica of rejoin: logs of signed events, and the artifacts that they are about.

  sha256sum -c SHA256SUMS           checks every file
  jq . logs/*/entries/*             reads the events; {"withheld": …} stands for one that is here as its hash only
  skopeo inspect oci:.:NAME         reads an artifact of index.json, and any other OCI tool does
  rejoin check .                    derives everything again: roots, signatures, digests
  rejoin import .                   takes it into a node, by the node's rules

The file omitted lists what was left out by choice.
`

// Builds the image for two architectures, as the release workflow does:
//
//   docker buildx bake --file deploy/docker/bake.hcl

variable "NAME" { default = "bodega" }
variable "VERSION" { default = "unknown" }
variable "REVISION" { default = "unknown" }

group "default" { targets = ["image"] }

target "image" {
  context    = "."
  dockerfile = "deploy/docker/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = ["${NAME}:${VERSION}", "${NAME}:${REVISION}"]
  args       = { VERSION = VERSION, REVISION = REVISION }
  attest     = ["type=provenance,mode=max", "type=sbom"]
}

// Package image writes container images without Docker and without a registry.
//
// In: programs and other files of this machine, or a whole root file system. Out: archives in the OCI image layout, as
// `ctr images import`, `docker load` and `podman load` take them. The same input gives the same bytes: times are fixed
// and entries sorted. It builds no program, starts none and asks no registry.
package image

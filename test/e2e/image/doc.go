// Package image makes container images without Docker and without a registry.
//
// In: programs and other files of this machine, or a whole root file system. Out: layers and images as Go values, the
// layers in memory or in files that stay. The same input gives the same bytes: times are fixed and entries sorted. It
// builds no program, starts none and asks no registry.
package image

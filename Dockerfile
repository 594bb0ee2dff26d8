# syntax=docker/dockerfile:1

# The sidecar's image: one static binary, its plugin.yaml and an empty /tmp. No shell, no package manager, no
# other program: there is nothing in it to run but the renderer.
#
# It fits both contracts with Argo CD. Native: the container has the argument `serve`, needs the volume of the sockets
# and nothing else, and its probes run `core-pipeline-cmp healthcheck`. Exec: its command is
# /var/run/argocd/argocd-cmp-server, which the init container copyutil puts on the shared volume var-files, and which
# finds plugin.yaml and core-pipeline-cmp where they are put below. There is no default: a container without
# arguments ends with a message that says so.
#
# test/image builds the same file system without Docker and checks it. It knows the instructions and commands used
# here and no others, so that this file and the test cannot drift apart.

FROM golang:1.26 AS build
WORKDIR /src
# Modules first: they change less often than the code, and this layer is then taken from the cache.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What `core-pipeline-cmp version` says; .dockerignore keeps away the repository that go would take it from.
ARG VERSION=dev
# Without cgo the binary needs no libc, so it runs from scratch; -trimpath keeps the builder's paths out of it.
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X github.com/core-pipeline/core-pipeline-cmp/cmd/internal/edge.Version=${VERSION}" -o /out/core-pipeline-cmp ./cmd/core-pipeline-cmp
# The whole file system is laid out here, because scratch has no mkdir or chmod, and copied in one piece: COPY keeps
# the modes of what is inside a directory, but not the mode of the directory it is told to copy.
# /tmp is where argocd-cmp-server unpacks every request. With it, an emptyDir is mounted over /tmp in the pod, since
# the root file system is read-only there. Everything belongs to root: the user of the container can change none of it.
RUN install -D -m 0755 /out/core-pipeline-cmp /rootfs/usr/local/bin/core-pipeline-cmp \
 && install -D -m 0644 plugin/plugin.yaml /rootfs/home/argocd/cmp-server/config/plugin.yaml \
 && install -d -m 1777 /rootfs/tmp

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="core-pipeline-cmp" \
      org.opencontainers.image.description="Argo CD config management plugin: a Helm chart with environment values and kustomize patches, rendered in process" \
      org.opencontainers.image.source="https://github.com/OWNER/core-pipeline-cmp" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /rootfs/ /
# Where argocd-cmp-server looks for the commands of plugin.yaml; scratch sets no PATH.
ENV PATH=/usr/local/bin
# The same user as repo-server's: connecting to a socket needs write permission, and that of argocd-cmp-server has
# mode 0755, that of `serve` 0660. A number, so that Kubernetes can see that it is not root.
USER 999
ENTRYPOINT ["/usr/local/bin/core-pipeline-cmp"]

# facteur in a container: built with the C compiler that SQLite needs, run by
# an account without rights from a small image.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
# As the Makefile builds it.
ENV CGO_ENABLED=1 CGO_CFLAGS="-O2 -g -DHAVE_FDATASYNC=1 -DSQLITE_DEFAULT_MEMSTATUS=0"
RUN go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /facteur ./cmd/facteur && mkdir /data

# glibc, certificates, a user "nonroot" (65532), and no shell.
FROM gcr.io/distroless/base-debian12:nonroot
COPY --from=build /facteur /usr/local/bin/facteur
COPY --from=build --chown=65532:65532 /data /data
ENV FACTEUR_DATA_DIR=/data FACTEUR_HTTP_ADDR=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
USER 65532:65532
# There is no curl in the image: the program asks itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/facteur", "ready"]
# SIGTERM drains: open dialogues get 25 s. Give it 30 before SIGKILL.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/facteur"]
CMD ["serve"]

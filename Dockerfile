# Headwater in a container: docker run -p 1935:1935 -p 8080:8080 -v headwater:/data headwater serve --public-host media.example
# The control API listens on the loopback of the container; use 'docker exec CONTAINER headwater ...'.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/headwater ./cmd/headwater && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/headwater /usr/bin/headwater
COPY --from=build --chown=nonroot:nonroot /out/data /data
ENV HEADWATER_DATA_DIR=/data
VOLUME /data
EXPOSE 1935 8080
ENTRYPOINT ["/usr/bin/headwater"]
CMD ["serve"]

"""docker-compose.yml and Dockerfile with real containers, by podman: `make containers`."""

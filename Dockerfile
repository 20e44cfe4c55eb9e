# One Atoll node. Built in three stages, so that the image holds the compiled program and its production packages only.
#
#   docker build -t atoll .
#   docker run -p 8000:8000 -v atoll-data:/data -e AUTH_TOKEN=$(openssl rand -hex 32) atoll
#   docker buildx build --platform linux/amd64,linux/arm64 -t atoll .
#
# Nothing but /data is written: docker run --read-only --tmpfs /tmp --cap-drop ALL works.

# What is compiled is the same for all platforms: it is done once, on the one that builds.
FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src ./src
COPY bench ./bench
RUN npm run build

# Native parts come as prebuilt binaries inside the packages: no compiler, no install script.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24.21.0-bookworm-slim
# The names that any deployment may set itself: an ATOLL_* name here would win over them.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    HOST=0.0.0.0 \
    METRICS_PORT=9090 \
    ATOLL_NETWORK_HOST=0.0.0.0 \
    ATOLL_DATA_DIR=/data
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
RUN install --directory --owner=node --group=node /data
USER node
VOLUME /data
# Agents and operators, Prometheus, other nodes.
EXPOSE 8000 9090 4001
# Alive, not ready: a node that waits for its region must not be restarted for it. On the metrics port, which has no TLS.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "const { ATOLL_HTTP_METRICS_PORT, METRICS_PORT } = process.env; fetch(`http://127.0.0.1:${ATOLL_HTTP_METRICS_PORT || METRICS_PORT}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# As process 1, without a shell: it takes SIGTERM itself, and starts no process that it would have to outlive.
ENTRYPOINT ["node", "dist/src/cli/main.js"]
CMD ["start"]

/** What is there, what is not, and how it is said (contract, section 1). */

import type { Request } from "../exchange.ts";
import { bareRedirect, type Scenario } from "../scenario.ts";

const UNKNOWN_PATHS = [
  "/register",
  "/tags",
  "/nothing",
  "/nothing/",
  "/Agents",
  "//agents",
  "/agents//",
  "/agents/a",
  "/agents/a/b",
  "/heartbeat",
  "/heartbeat/a",
  "/heartbeat/a/b",
  "/health%20",
  "/health/live",
  "/admin",
  "/trace",
  "/trace/",
  "/events/a",
  "/schemas/a/b",
  "/a2a",
  "/a2a/agents/a",
];

const WRONG_METHODS: readonly Request[] = [
  { method: "PUT", path: "/heartbeat" },
  { method: "DELETE", path: "/heartbeat/a" },
  { method: "PATCH", path: "/agents" },
  { method: "DELETE", path: "/agents" },
  { method: "PUT", path: "/agents/a" },
  { method: "OPTIONS", path: "/agents" },
  { method: "OPTIONS", path: "/heartbeat" },
  { method: "TRACE", path: "/agents" },
  { method: "DELETE", path: "/health" },
  { method: "POST", path: "/health" },
  { method: "POST", path: "/" },
  { method: "POST", path: "/nothing" },
  { method: "POST", path: "/events" },
  { method: "POST", path: "/schemas" },
  { method: "PUT", path: "/admin/drain" },
  { method: "GET", path: "/admin/rotate" },
  { method: "POST", path: "/admin/entities" },
  { method: "POST", path: "/trace/status" },
  { method: "POST", path: "/a2a/agents" },
  { method: "DELETE", path: "/proxy/a:1/mcp" },
];

const HEAD_PATHS = [
  "/",
  "/agents",
  "/heartbeat",
  "/events",
  "/schemas",
  "/admin/drain",
  "/trace/status",
  "/a2a/agents",
];

const SLASHED: readonly Request[] = [
  { method: "GET", path: "/agents/" },
  { method: "GET", path: "/agents/?status=healthy" },
  { method: "GET", path: "/health/" },
  { method: "GET", path: "/events/" },
  { method: "GET", path: "/schemas/" },
  { method: "GET", path: "/schemas/a/" },
  { method: "GET", path: "/admin/drain/" },
  { method: "GET", path: "/admin/entities/" },
  { method: "GET", path: "/trace/status/" },
  { method: "GET", path: "/trace/a/" },
  { method: "GET", path: "/a2a/agents/" },
  { method: "HEAD", path: "/health/" },
  { method: "HEAD", path: "/heartbeat/a/" },
  { method: "POST", path: "/heartbeat/" },
  { method: "POST", path: "/admin/drain/" },
  { method: "POST", path: "/admin/rotate/?entity_id=a" },
  { method: "DELETE", path: "/agents/a/" },
  { method: "DELETE", path: "/admin/drain/" },
];

const SLASHED_IN_VAIN: readonly Request[] = [
  { method: "PUT", path: "/heartbeat/" },
  { method: "GET", path: "/heartbeat/" },
  { method: "GET", path: "/heartbeat/a/" },
  { method: "HEAD", path: "/heartbeat/" },
  { method: "DELETE", path: "/agents/" },
];

export const paths: readonly Scenario[] = [
  {
    name: "an empty registry",
    run: async (pair) => {
      for (const path of ["/", "/health", "/health?x=1", "/agents", "/events", "/schemas", "/a2a/agents"]) {
        await pair.get(path);
      }
      await pair.send({ method: "HEAD", path: "/health" });
      await pair.send({ method: "HEAD", path: "/health?x=1" });
    },
  },
  {
    name: "paths that lead nowhere",
    run: async (pair) => {
      for (const path of UNKNOWN_PATHS) await pair.get(path);
    },
  },
  {
    name: "wrong methods",
    run: async (pair) => {
      for (const request of WRONG_METHODS) await pair.send(request);
      for (const path of HEAD_PATHS) await pair.send({ method: "HEAD", path });
    },
  },
  {
    name: "a slash too many",
    run: async (pair) => {
      for (const request of SLASHED) await pair.send(request, bareRedirect(request));
      for (const request of SLASHED_IN_VAIN) await pair.send(request);
    },
  },
  {
    name: "bodies where none is read",
    run: async (pair) => {
      for (const path of ["/", "/health", "/agents", "/events"]) await pair.send({ method: "GET", path, body: "{" });
      await pair.send({ method: "DELETE", path: "/agents/nobody", body: "{" });
      await pair.send({ method: "POST", path: "/admin/rotate?entity_id=none", body: "{" });
    },
  },
];

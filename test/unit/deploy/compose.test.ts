/** The compose file: against the compose specification, and against what our own loader accepts. No engine is needed. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { loadConfig } from "../../../src/config/load.ts";

const ROOT = join(import.meta.dirname, "../../..");
const FILE = join(ROOT, "docker-compose.multi-region.yml");
const REGIONS = ["us-east", "us-west"];

interface Service {
  readonly image: string;
  readonly environment: Record<string, string>;
  readonly networks: string[] | Record<string, { aliases: string[] }>;
  readonly volumes: string[];
  readonly ports?: string[];
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: string[];
  readonly security_opt?: string[];
}

interface Compose {
  readonly services: Record<string, Service>;
  readonly networks: Record<string, object>;
  readonly volumes: Record<string, object>;
}

const compose: Compose = parse(readFileSync(FILE, "utf8"), { merge: true });
const services = Object.entries(compose.services);
const registries = services.filter(([name]) => name.startsWith("registry-"));
const agents = services.filter(([name]) => name.startsWith("agent-"));
const networksOf = ({ networks }: Service) => (Array.isArray(networks) ? networks : Object.keys(networks)).sort();

/** What the container sees: the image's defaults, then the service's, with the variable that the operator sets. */
function environmentOf(service: Service): Record<string, string> {
  const image = /^ENV ((?:.*\\\n)*.*)$/m.exec(readFileSync(join(ROOT, "Dockerfile"), "utf8"))?.[1] ?? "";
  const defaults = [...image.matchAll(/(\w+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value]);
  const set = Object.entries(service.environment).map(([name, value]) => [
    name,
    value.replace(/^\$\{ENCRYPTION_KEY:\?.*\}$/, "0123456789abcdef0123456789abcdef").replace(/^\$\{\w+:-(.*)\}$/, "$1"),
  ]);
  return Object.fromEntries([...defaults, ...set]);
}

const configOf = (name: string, service: Service) =>
  loadConfig({ env: environmentOf(service), flags: {}, hostname: name }).config;

describe("docker-compose.multi-region.yml", () => {
  it("is what the compose specification allows", () => {
    const dclint = dirname(createRequire(import.meta.url).resolve("dclint/package.json"));
    const schema = JSON.parse(readFileSync(join(dclint, "schemas/compose.schema.json"), "utf8"));
    const { $schema: _, ...rules } = schema;
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(rules);
    validate(compose);
    assert.deepEqual(validate.errors, null);
    assert.equal(validate({ ...compose, services: { a: { imgae: "b" } } }), false, "the schema refuses what it should");
  });

  it("has two regions with three nodes and an agent each", () => {
    assert.equal(services.length, registries.length + agents.length);
    for (const region of REGIONS) {
      assert.equal(registries.filter(([, service]) => service.environment.REGION === region).length, 3);
      assert.equal(agents.filter(([, service]) => networksOf(service).includes(region)).length, 1);
    }
    assert.deepEqual(Object.keys(compose.networks).sort(), ["global", ...REGIONS].sort());
  });

  it("lets nodes alone join the global network; an agent reaches its own region's registry and no other", () => {
    for (const [, service] of registries) {
      assert.deepEqual(networksOf(service), ["global", service.environment.REGION].sort());
    }
    for (const [name, service] of agents) {
      const [region, ...others] = networksOf(service);
      assert.deepEqual(others, []);
      const host = new URL(service.environment.MCP_MESH_REGISTRY_URL ?? "").hostname;
      const reachable = registries.filter(([, registry]) => aliasesOf(registry, region ?? "").includes(host));
      assert.equal(reachable.length, 3, `${name} is served by any node of its region`);
      assert.ok(reachable.every(([, registry]) => registry.environment.REGION === region));
    }
  });

  it("gives every node a configuration that it accepts, with the names that deployments use", () => {
    for (const [name, service] of registries) {
      const { node, http, network } = configOf(name, service);
      assert.equal(node.name, name);
      assert.deepEqual([http.host, http.port, http.metricsPort], ["0.0.0.0", 8000, 9090]);
      assert.equal(network.host, "0.0.0.0");
      assert.equal(http.publicUrl, `http://${name}:8000`);
      assert.deepEqual(network.advertise, [{ host: name, port: 4001 }], "other nodes dial it by its service name");
    }
  });

  it("names the same founding members on every node of a region, each a service of it", () => {
    for (const region of REGIONS) {
      const nodes = registries.filter(([, service]) => service.environment.REGION === region);
      const lists = nodes.map(([name, service]) => configOf(name, service).node.members);
      for (const list of lists) {
        assert.deepEqual(list, lists[0]);
        assert.deepEqual(
          list.map(({ name, host }) => [name, host]),
          nodes.map(([name]) => [name, name]),
        );
      }
    }
  });

  it("leads every node to all nodes of the other region, by a name that they all have on the global network", () => {
    for (const [name, service] of registries) {
      const { peers } = configOf(name, service).network;
      const found = registries.filter(([, other]) => peers.some((host) => aliasesOf(other, "global").includes(host)));
      assert.equal(found.length, 3);
      assert.ok(found.every(([, other]) => other.environment.REGION !== service.environment.REGION));
    }
  });

  it("shares one key that the operator must set, and writes none down", () => {
    for (const [, { environment }] of registries)
      assert.match(environment.ENCRYPTION_KEY ?? "", /^\$\{ENCRYPTION_KEY:\?/);
  });

  it("lets no container write but to its volumes, or gain rights", () => {
    for (const [, service] of services) {
      assert.deepEqual([service.read_only, service.cap_drop], [true, ["ALL"]]);
      assert.deepEqual(service.security_opt, ["no-new-privileges:true"]);
    }
  });

  it("keeps each node's data in a named volume of its own, and publishes ports to this machine only", () => {
    const mounts = registries.flatMap(([, { volumes }]) => volumes);
    assert.equal(new Set(mounts).size, registries.length);
    for (const mount of mounts) {
      const [volume = "", target] = mount.split(":");
      assert.ok(volume in compose.volumes, mount);
      assert.equal(target, "/data");
    }
    const ports = registries.flatMap(([, service]) => service.ports ?? []);
    assert.deepEqual(
      ports.map((port) => port.split(":")[1]),
      ["8000", "8001", "8002", "8100", "8101", "8102"],
    );
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:8000$/);
  });

  it("mounts a sample agent that exists", () => {
    for (const [, { volumes }] of agents) {
      assert.deepEqual(volumes, ["./deploy/sample-agent:/app:ro"]);
      assert.ok(existsSync(join(ROOT, "deploy/sample-agent/agent.mjs")));
    }
  });
});

function aliasesOf({ networks }: Service, network: string): readonly string[] {
  return Array.isArray(networks) ? [] : (networks[network]?.aliases ?? []);
}

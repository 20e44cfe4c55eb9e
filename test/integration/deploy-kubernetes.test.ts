/** The Kubernetes manifests and the Helm chart, rendered by the real programs, checked against Kubernetes' schemas and our loader. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { type FoundTools, findKubernetesTools, type KubernetesTools } from "../support/kubernetes-tools.ts";
import { type Manifest, problemsOf, readManifests } from "../support/manifests.ts";

const ROOT = join(import.meta.dirname, "../..");
const CHART = join(ROOT, "deploy/helm/atoll");
const BASE = join(ROOT, "deploy/kubernetes/base");
const KEYS = ["--set", "secrets.encryptionKey=0123456789abcdef0123,secrets.authToken=0123456789abcdef"];
/** What `atoll start` takes at most to stop, in seconds (src/cli/commands/start.ts). */
const STOP_SECONDS = 8;
const NAME = "mcp-mesh-registry";

interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: object; readonly secretKeyRef?: { readonly key: string } };
}

let found: FoundTools;
before(async () => {
  found = await findKubernetesTools();
});

/** Undefined, and the test is skipped with the reason, where the programs can not be had. */
function toolsOr(test: TestContext): KubernetesTools | undefined {
  if ("tools" in found) return found.tools;
  test.skip(found.missing);
  return undefined;
}

const only = (manifests: readonly Manifest[], kind: string) => {
  const [one, ...others] = manifests.filter((manifest) => manifest.kind === kind);
  assert.ok(one !== undefined && others.length === 0, `one ${kind}`);
  return one;
};
const containerOf = (manifests: readonly Manifest[]) => only(manifests, "StatefulSet").spec.template.spec.containers[0];

/** What the process of a pod sees: variables stand for those before them, as Kubernetes has it. */
function environmentOf(manifests: readonly Manifest[], pod: string): Record<string, string> {
  const environment: Record<string, string> = { HOST: "0.0.0.0", METRICS_PORT: "9090", ATOLL_NETWORK_HOST: "0.0.0.0" };
  for (const { name, value, valueFrom } of containerOf(manifests).env as EnvironmentVariable[]) {
    const given = value ?? (valueFrom?.fieldRef === undefined ? "0123456789abcdef0123456789abcdef" : pod);
    environment[name] = given.replace(/\$\((\w+)\)/g, (reference, before) => environment[before] ?? reference);
  }
  return environment;
}

async function assertSound(manifests: readonly Manifest[]): Promise<void> {
  const problems = await Promise.all(manifests.map(problemsOf));
  assert.deepEqual(problems.flat(), []);
  const { replicas, serviceName, template } = only(manifests, "StatefulSet").spec;
  const services = manifests.filter(({ kind }) => kind === "Service");
  const headless = services.find(({ metadata }) => metadata.name === serviceName)!;
  assert.deepEqual([headless.spec.clusterIP, headless.spec.publishNotReadyAddresses], ["None", true]);
  const pods = Array.from({ length: replicas }, (_, i) => `${NAME}-${i}`);
  for (const pod of pods) {
    const { node, http, network } = loadConfig({ env: environmentOf(manifests, pod), flags: {}, hostname: pod }).config;
    assert.equal(node.name, pod);
    assert.deepEqual(
      node.members.map(({ name }) => name),
      pods,
      "the members are the replicas",
    );
    assert.ok(
      node.members.every(({ name, host, port }) => port === 4001 && host.startsWith(`${name}.${serviceName}.`)),
      "each by its own name in the headless service",
    );
    assert.match(http.publicUrl ?? "", new RegExp(`^https?://${pod}\\.${serviceName}\\..*:8000$`));
    assert.ok(network.encryptionKey !== undefined);
  }
  for (const { spec } of services) {
    const selector = Object.entries(spec.selector).filter(([label]) => !label.includes("pod-name"));
    for (const [label, value] of selector) assert.equal(template.metadata.labels[label], value);
    const ports = containerOf(manifests).ports.map(({ name }: { name: string }) => name);
    for (const { targetPort } of spec.ports)
      assert.ok(ports.includes(targetPort), `${targetPort} is a port of the pod`);
  }
}

function assertHardened(manifests: readonly Manifest[]): void {
  const { spec } = only(manifests, "StatefulSet").spec.template;
  const { securityContext, lifecycle, ports, volumeMounts } = containerOf(manifests);
  assert.deepEqual(securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.equal(spec.securityContext.runAsNonRoot, true);
  assert.equal(spec.securityContext.seccompProfile.type, "RuntimeDefault");
  assert.equal(spec.automountServiceAccountToken, false);
  assert.equal(spec.enableServiceLinks, false);
  const preStopSeconds = Number(lifecycle.preStop.exec.command.at(-1));
  assert.ok(spec.terminationGracePeriodSeconds > preStopSeconds + STOP_SECONDS, "a node has time to hand over");
  assert.deepEqual(
    ports.map(({ name, containerPort }: { name: string; containerPort: number }) => [name, containerPort]),
    [
      ["http", 8000],
      ["metrics", 9090],
      ["nodes", 4001],
    ],
  );
  assert.ok(volumeMounts.some(({ mountPath }: { mountPath: string }) => mountPath === "/data"));
}

describe("deploy/kubernetes", () => {
  it("is what Kubernetes' schemas allow, file by file", async () => {
    const files = readdirSync(BASE).filter((file) => file !== "kustomization.yaml");
    const manifests = files.flatMap((file) => readManifests(readFileSync(join(BASE, file), "utf8")));
    assert.deepEqual((await Promise.all(manifests.map(problemsOf))).flat(), []);
    assertHardened(manifests);
  });

  it("is refused with a misspelt field, a wrong type or an unknown kind", async () => {
    const [service] = readManifests(readFileSync(join(BASE, "services.yaml"), "utf8"));
    const spoilt = [
      { ...service!, spec: { ...service!.spec, selectors: {} } },
      { ...service!, spec: { ...service!.spec, ports: [{ port: "http" }] } },
      { ...service!, kind: "Sevice" },
    ];
    for (const manifest of spoilt) assert.equal((await problemsOf(manifest)).length, 1);
  });

  const outOfBounds: [what: string, name: string, value: string, says: RegExp][] = [
    ["a heartbeat of a millisecond", "ATOLL_RAFT_HEARTBEAT_MS", "1", /raft\.heartbeatMs.*ATOLL_RAFT_HEARTBEAT_MS.*10/s],
    ["a port beyond all ports", "REGISTRY_PORT", "80000", /http\.port.*REGISTRY_PORT.*65535/s],
    ["no connection at all", "ATOLL_HTTP_CONNECTIONS_MAX", "0", /http\.connectionsMax.*16/s],
    ["a region's name of a sentence", "ATOLL_REGION", "us east", /node\.region/],
  ];
  for (const [what, name, value, says] of outOfBounds) {
    it(`is refused by its nodes with ${what}, and nothing starts`, async (test) => {
      const text = await toolsOr(test)?.kubectl("kustomize", join(ROOT, "deploy/kubernetes/base"));
      if (text === undefined) return;
      const manifests = readManifests(text);
      const { env } = containerOf(manifests);
      for (const [i, variable] of env.entries()) if (variable.name === name) env.splice(i, 1);
      env.push({ name, value });
      const pod = `${NAME}-0`;
      const load = () => loadConfig({ env: environmentOf(manifests, pod), flags: {}, hostname: pod });
      assert.throws(load, (error: Error) => says.test(`${error.message} ${JSON.stringify(error)}`));
    });
  }

  for (const region of ["base", "us-east", "us-west"]) {
    it(`${region}: a region whose pods are given a configuration that a node accepts`, async (test) => {
      const text = await toolsOr(test)?.kubectl("kustomize", join(ROOT, "deploy/kubernetes", region));
      if (text === undefined) return;
      const manifests = readManifests(text);
      await assertSound(manifests);
      assertHardened(manifests);
      assert.ok(manifests.every(({ metadata }) => metadata.namespace === "mcp-mesh"));
    });
  }

  it("federates the two: each region is told the other's name, and tells its own", async (test) => {
    const tools = toolsOr(test);
    if (tools === undefined) return;
    const [east, west] = await Promise.all(
      ["us-east", "us-west"].map(async (region) => {
        const text = await tools.kubectl("kustomize", join(ROOT, "deploy/kubernetes", region));
        return readManifests(text);
      }),
    );
    assertFederated(east!, west!);
    assertFederated(west!, east!);
  });
});

/** Where `a` looks for other regions is where the load balancers of `b` are, and each node tells its own. */
function assertFederated(a: readonly Manifest[], b: readonly Manifest[]): void {
  const configOf = (manifests: readonly Manifest[], pod: string) =>
    loadConfig({ env: environmentOf(manifests, pod), flags: {}, hostname: pod }).config;
  const namesOf = (manifests: readonly Manifest[]) =>
    manifests
      .filter(({ kind, spec }) => kind === "Service" && spec.type === "LoadBalancer")
      .map(({ metadata, spec }) => ({
        pod: spec.selector["statefulset.kubernetes.io/pod-name"] as string,
        names: metadata.annotations!["external-dns.alpha.kubernetes.io/hostname"]!.split(","),
      }));
  const others = namesOf(b);
  assert.equal(others.length, 3);
  const peers = configOf(a, `${NAME}-0`).network.peers.map((peer) => peer.replace(/:4001$/, ""));
  for (const { pod, names } of others) {
    assert.ok(peers.every((peer) => names.includes(peer)));
    const advertised = configOf(b, pod).network.advertise ?? [];
    assert.ok(
      advertised.every(({ host, port }) => names.includes(host) && port === 4001),
      `${pod} says where it is`,
    );
  }
  assert.notEqual(configOf(a, `${NAME}-0`).node.region, configOf(b, `${NAME}-0`).node.region);
}

describe("deploy/helm/atoll", () => {
  const render = async (tools: KubernetesTools, ...args: string[]) =>
    readManifests(await tools.helm("template", "registry", CHART, "--namespace", "mcp-mesh", ...args));
  const example = (name: string) => ["--values", join(CHART, "examples", `values-${name}.yaml`)];

  it("is a chart that Helm takes", async (test) => {
    await toolsOr(test)?.helm("lint", "--strict", CHART, ...KEYS);
  });

  const cases: [what: string, args: string[]][] = [
    ["as it is", KEYS],
    ["one node", [...KEYS, "--set", "replicas=1,spread.hosts=preferred,networkPolicy=false"]],
    ["five nodes", [...KEYS, "--set", "replicas=5,storage.className=fast,priorityClassName=high"]],
    [
      "TLS, token files and traces",
      [...KEYS, "--set", "tls.secret=tls,secrets.tokensSecret=t,otlpEndpoint=http://c:4318"],
    ],
    ["clients with certificates", [...KEYS, "--set", "tls.secret=tls,tls.mode=strict,tls.hasClientAuthorities=true"]],
    ["no tokens at all", ["--set", "secrets.encryptionKey=0123456789abcdef,secrets.insecure=true"]],
    ["region us-east", example("east")],
    ["region us-west", example("west")],
  ];
  for (const [what, args] of cases) {
    it(`${what}: manifests that Kubernetes and a node accept`, async (test) => {
      const tools = toolsOr(test);
      if (tools === undefined) return;
      const manifests = await render(tools, ...args);
      await assertSound(manifests);
      assertHardened(manifests);
      assert.equal(only(manifests, "PodDisruptionBudget").spec.maxUnavailable, 1);
    });
  }

  it("is the plain manifests, but for what it adds", async (test) => {
    const tools = toolsOr(test);
    if (tools === undefined) return;
    const chart = await render(tools, ...KEYS);
    const plain = readManifests(await tools.kubectl("kustomize", BASE));
    const settings = (manifests: readonly Manifest[]) => {
      const { env: _, image: __, ...container } = containerOf(manifests);
      const { containers: ___, ...pod } = only(manifests, "StatefulSet").spec.template.spec;
      const { volumeClaimTemplates, template: ____, ...set } = only(manifests, "StatefulSet").spec;
      const services = manifests.filter(({ kind }) => kind === "Service");
      return {
        ...{ container, pod, set },
        storage: volumeClaimTemplates[0].spec,
        policy: only(manifests, "NetworkPolicy").spec,
        budget: only(manifests, "PodDisruptionBudget").spec,
        services: services.map(({ metadata, spec }) => [metadata.name, { type: "ClusterIP", ...spec }]).sort(),
      };
    };
    assert.deepEqual(settings(chart), settings(plain));
  });

  it("federates two clusters by its examples", async (test) => {
    const tools = toolsOr(test);
    if (tools === undefined) return;
    const [east, west] = [await render(tools, ...example("east")), await render(tools, ...example("west"))];
    assertFederated(east, west);
    assertFederated(west, east);
  });

  it("carries the alert rules of deploy/prometheus", async (test) => {
    const rules = readFileSync(join(CHART, "files/atoll.rules.yml"), "utf8");
    assert.equal(rules, readFileSync(join(ROOT, "deploy/prometheus/atoll.rules.yml"), "utf8"));
    const tools = toolsOr(test);
    if (tools === undefined) return;
    const { groups } = only(await render(tools, ...example("east")), "PrometheusRule").spec;
    assert.ok(groups[0].rules.length >= 30);
    assert.match(groups[0].rules[0].annotations.summary, /\{\{ \$labels\.instance \}\}/);
  });

  it("writes no secret that it was given anywhere but into the secret", async (test) => {
    const tools = toolsOr(test);
    if (tools === undefined) return;
    const manifests = await render(tools, ...KEYS);
    const { stringData, ...rest } = only(manifests, "Secret");
    assert.deepEqual(stringData, { "encryption-key": "0123456789abcdef0123", "auth-token": "0123456789abcdef" });
    const others = manifests.filter(({ kind }) => kind !== "Secret");
    assert.doesNotMatch(JSON.stringify([rest, ...others]), /0123456789abcdef/);
    assert.ok((await render(tools, ...example("east"))).every(({ kind }) => kind !== "Secret"));
  });

  const refused: [what: string, args: string[], says: RegExp][] = [
    ["no key", ["--set", "secrets.authToken=0123456789"], /secrets\.encryptionKey is the key/],
    [
      "no token, and not told to do without",
      ["--set", "secrets.encryptionKey=0123456789abcdef"],
      /set secrets\.authToken/,
    ],
    ["a key that is too short", [...KEYS, "--set", "secrets.encryptionKey=short"], /\/secrets\/encryptionKey/],
    ["no node", [...KEYS, "--set", "replicas=0"], /\/replicas/],
    ["more nodes than a region may have", [...KEYS, "--set", "replicas=16"], /\/replicas/],
    [
      "certificates of clients without authorities",
      [...KEYS, "--set", "tls.secret=t,tls.mode=strict"],
      /needs ca\.crt/,
    ],
    ["a region's name out of bounds", [...KEYS, "--set", "region=us east"], /\/region/],
    ["a misspelt value", [...KEYS, "--set", "replica=5"], /replica/],
    ["a size that is none", [...KEYS, "--set", "storage.size=ten"], /\/storage\/size/],
  ];
  for (const [what, args, says] of refused) {
    it(`refuses ${what}, and says so`, async (test) => {
      const tools = toolsOr(test);
      if (tools !== undefined) await assert.rejects(render(tools, ...args), says);
    });
  }
});
